import type { Progress } from '../../storage/backup-file.ts'
import { complain } from './complain.ts'

const INTERVAL_MS = 1000

const MEBIBYTE = 1 << 20

/** Says on standard error, once a second, how far something is that takes longer. */
export function progressOf(what: string): Progress {
  let toldMs = performance.now()
  return (bytes, ofBytes) => {
    const nowMs = performance.now()
    if (nowMs - toldMs < INTERVAL_MS) return
    toldMs = nowMs
    complain(`${what}: ${mebibytes(bytes)} of ${mebibytes(ofBytes)} MiB, ${Math.floor((100 * bytes) / ofBytes)} %`)
  }
}

export function mebibytes(bytes: number): string {
  return (bytes / MEBIBYTE).toFixed(1)
}
