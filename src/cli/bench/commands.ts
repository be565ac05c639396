import { readU32 } from '../../execution/bytes.ts'
import { encodeGroup, type GroupOptions } from '../../execution/groups.ts'
import { getCommand, ITEM_HEADER_BYTES, putCommand } from '../../machine/commands.ts'

/**
 * Keys that should not conflict are drawn from this many over all lanes, as in other benchmarks; each lane has its own
 * keys.
 */
const KEYS = 1_000_000
const HOT_KEY = 0xffff_ffff
export const MIN_KEY_BYTES = 4

/** In a group (groups.ts). */
const SIZE_AT = 0
const COUNT_AT = 8

export interface LoadShape {
  readonly keySize: number
  readonly valueSize: number
  /** The fraction of commands that all write one key: 0 to 1. */
  readonly conflicts: number
  /**
   * Which lane draws the keys, and of how many lanes: commands of different lanes do not conflict, except for
   * `conflicts`.
   */
  readonly lane: number
  readonly lanes: number
  /** Gets instead of puts. */
  readonly reads?: boolean
}

/** In the results of a group (results.ts): the header, and what each result takes beside its bytes. */
const RESULTS_HEADER_BYTES = 8
const RESULTS_COUNT_AT = 4
/** Of a put: status, length, and one byte. */
const PUT_RESULT_BYTES = 6

/**
 * Makes groups of puts, or of gets, without an object for each command: all have one layout, and only the first four
 * bytes of the keys differ.
 */
export class CommandMaker {
  readonly #command: Uint8Array
  readonly #reads: boolean
  readonly #conflicts: number
  readonly #lane: number
  readonly #lanes: number
  /** A group whose first part is every smaller group. */
  #largest: Uint8Array = new Uint8Array(0)
  #headLength = 0

  constructor({ keySize, valueSize, conflicts, lane, lanes, reads = false }: LoadShape) {
    const key = new Uint8Array(keySize).fill(0x6b)
    this.#reads = reads
    this.#command = reads ? getCommand(key) : putCommand(key, new Uint8Array(valueSize).fill(0x76))
    this.#conflicts = conflicts
    this.#lane = lane
    this.#lanes = lanes
  }

  /** The bytes of one command in a group. */
  get bytesEach(): number {
    return 4 + this.#command.length
  }

  /** Whether these are the results of so many commands, all done. */
  areDone(results: Uint8Array, count: number): boolean {
    if (!this.#reads) return results.length === RESULTS_HEADER_BYTES + count * PUT_RESULT_BYTES
    return readU32(results, RESULTS_COUNT_AT) === count
  }

  /** The next call reuses the bytes. */
  group(count: number, session: GroupOptions | undefined): Uint8Array {
    const { bytesEach } = this
    const head = encodeGroup([], session)
    const length = head.length + count * bytesEach
    if (this.#headLength !== head.length || this.#largest.length < length) this.#grow(count, session)
    const group = this.#largest.subarray(0, length)
    group.set(head)
    const view = new DataView(group.buffer, group.byteOffset)
    const keysEach = KEYS / this.#lanes
    view.setUint32(SIZE_AT, length, true)
    view.setUint32(COUNT_AT, count, true)
    for (let at = head.length + 4 + ITEM_HEADER_BYTES; at < length; at += bytesEach) {
      const own = ((Math.random() * keysEach) | 0) * this.#lanes + this.#lane
      const key = Math.random() < this.#conflicts ? HOT_KEY : own
      view.setUint32(at, key, true)
    }
    return group
  }

  #grow(count: number, session: GroupOptions | undefined): void {
    this.#largest = encodeGroup(new Array(count).fill(this.#command), session)
    this.#headLength = this.#largest.length - count * this.bytesEach
  }
}
