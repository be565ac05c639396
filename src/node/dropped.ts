import type { DropReason } from '../protocol/context.ts'
import type { LinkDrop } from '../transport/transport.ts'
import type { Logger } from './logger.ts'

/**
 * Why a frame of an admitted peer is dropped: its checksum is wrong, it is of another epoch, or it holds what is no
 * message.
 */
export type FrameDrop = 'damaged' | 'epoch' | 'malformed'

/**
 * Counts messages and links that were dropped, by the reason, and logs them. A flood of garbage must not become a flood
 * of log lines.
 */
export class Dropped {
  readonly #logger: Logger
  readonly #drops: Record<LinkDrop | FrameDrop, number> = {
    ...{ connection: 0, handshake: 0, refused: 0, link: 0, damaged: 0, epoch: 0, malformed: 0 },
  }
  /** How many of the messages that the core dropped were logged. */
  #toldOutOfRange = 0

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** What was dropped before it reached the core. */
  get count(): number {
    return Object.values(this.#drops).reduce((sum, count) => sum + count, 0)
  }

  /** What was dropped before it reached the core, and by the core, by reason. Both drop what is of another epoch. */
  all(byCore: Readonly<Record<DropReason, number>>): Readonly<Record<LinkDrop | FrameDrop | DropReason, number>> {
    return { ...this.#drops, ...byCore, epoch: this.#drops.epoch + byCore.epoch }
  }

  add(reason: LinkDrop | FrameDrop, what: string): void {
    this.#drops[reason]++
    this.#tell(what, this.count)
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
