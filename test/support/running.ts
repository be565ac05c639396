import { readFileSync } from 'node:fs'

/** Whether the process runs. A zombie does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return !stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
