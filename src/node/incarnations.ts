import type { PeerRecord } from '../protocol/records.ts'
import { RecordType } from '../protocol/records.ts'

/**
 * Which incarnation each peer has: written down at first contact, after which another one is refused for that row, because it has lost the
 * votes that the first one cast (protocol.md §9, scenario 12).
 */
export class Incarnations {
  readonly #known = new Map<number, Uint8Array>()
  /** Those whose record is not durable yet. */
  readonly #pending = new Map<number, Promise<void>>()
  readonly #write: (record: PeerRecord) => Promise<void>

  /** `write` resolves when the record is durable. */
  constructor(write: (record: PeerRecord) => Promise<void>) {
    this.#write = write
  }

  /** A record found in the journal. */
  restore({ row, incarnation }: PeerRecord): void {
    this.#known.set(row, incarnation)
  }

  async admit(row: number, incarnation: Uint8Array): Promise<boolean> {
    const known = this.#known.get(row)
    if (known === undefined) {
      this.#known.set(row, incarnation)
      this.#pending.set(row, this.#write({ type: RecordType.peer, row, incarnation }))
    } else if (!isSame(known, incarnation)) return false
    await this.#pending.get(row)
    this.#pending.delete(row)
    return true
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
