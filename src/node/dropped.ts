import type { Logger } from './logger.ts'

/** Counts and logs messages and links that were dropped. A flood of garbage must not become a flood of log lines. */
export class Dropped {
  readonly #logger: Logger
  #count = 0
  /** How many of the messages that the core dropped were logged. */
  #toldOutOfRange = 0

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** What was dropped before it reached the core. */
  get count(): number {
    return this.#count
  }

  add(what: string): void {
    this.#count++
    this.#tell(what, this.#count)
  }

  /** @param dropped all messages that the core has dropped */
  outOfRange(dropped: number): void {
    if (dropped > this.#toldOutOfRange) this.#tell('a message out of range', dropped)
    this.#toldOutOfRange = dropped
  }

  #tell(what: string, dropped: number): void {
    if (dropped <= 100 || dropped % 1000 === 0) this.#logger.warn({ what, dropped }, 'dropped')
  }
}
