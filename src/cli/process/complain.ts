import { writeSync } from 'node:fs'

/** Writes a message for people to standard error. It does not matter whether anybody reads it. */
export function complain(text: string): void {
  try {
    writeSync(2, `epaxos: ${text}\n`)
  } catch {
    // A closed or full standard error is no reason to end, and there is no other place for the message.
  }
}
