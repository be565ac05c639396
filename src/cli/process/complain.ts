import { writeSync } from 'node:fs'

/** Says something to people, on standard error. Whether anybody reads that changes nothing. */
export function complain(text: string): void {
  try {
    writeSync(2, `epaxos: ${text}\n`)
  } catch {
    // A closed or full standard error is no reason to end, and there is nowhere else to say it.
  }
}
