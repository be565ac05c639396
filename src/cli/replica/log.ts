import { writeSync } from 'node:fs'
import { type Logger, pino } from 'pino'

const STANDARD_ERROR = 2

/**
 * A log on standard error, with this level and above. A line that cannot be written does not end the process: it is
 * lost, and the number of lost lines is logged later.
 */
export function openLog(level: string): Logger {
  const sink = new Sink((lines) => {
    logger.warn({ lines }, 'lines of the log are lost: standard error could not be written')
  })
  const logger = pino({ level }, sink)
  return logger
}

class Sink {
  readonly #report: (lines: number) => void
  #lost = 0
  /** The last line was written only in part. */
  #torn = false

  /** Calls `report` once lines can be written again. */
  constructor(report: (lines: number) => void) {
    this.#report = report
  }

  write(line: string): void {
    if (!this.#written(line)) this.#lost++
    else if (this.#lost > 0) {
      const lines = this.#lost
      this.#lost = 0
      this.#report(lines)
    }
  }

  #written(line: string): boolean {
    const bytes = Buffer.from(this.#torn ? `\n${line}` : line)
    let at = 0
    try {
      while (at < bytes.length) at += writeSync(STANDARD_ERROR, bytes, at)
      this.#torn = false
      return true
    } catch {
      this.#torn ||= at > 0
      return false
    }
  }
}
