import { readFileSync } from 'node:fs'
import { wrong } from '../settings/flag.ts'

/** On Linux, on every architecture that Node runs on. */
const MICROS_PER_TICK = 10_000

/**
 * CPU time that all threads of the processes have used so far, in microseconds. Throws an `EpaxosError` with code
 * `configuration`.
 */
export function cpuMicros(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + ticksOf(pid) * MICROS_PER_TICK, 0)
}

function ticksOf(pid: number): number {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch (error) {
    throw wrong(`process ${pid} cannot be measured: ${(error as Error).message}`)
  }
  // The name in front of it may contain any character.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}
