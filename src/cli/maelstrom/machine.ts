import type { FootprintBuilder } from '../../engine/footprint.ts'
import { ChunkReader } from '../../execution/chunks.ts'
import type { StateMachine } from '../../execution/machine.ts'
import type { ResultBuffer } from '../../execution/result-buffer.ts'
import { KeyValueStore } from '../../machine/key-value.ts'
import { ListStore } from '../../machine/list.ts'

/** The first byte of a command of the list machine; no command of the key-value store begins with it. */
const LIST_COMMAND = '['.charCodeAt(0)

/**
 * The key-value store and the list machine side by side, because a node does not learn in advance which workload it
 * will get. Their keys are separate, but equal keys interfere.
 */
export class MaelstromMachine implements StateMachine {
  readonly #keyValue = new KeyValueStore()
  readonly #lists = new ListStore()

  footprint(bytes: Uint8Array, start: number, end: number, keys: FootprintBuilder): void {
    this.#of(bytes, start, end).footprint(bytes, start, end, keys)
  }

  apply(bytes: Uint8Array, start: number, end: number, result: ResultBuffer): void {
    this.#of(bytes, start, end).apply(bytes, start, end, result)
  }

  /** `u32 size` and the snapshot, first of one machine, then of the other. */
  *snapshot(): Iterable<Uint8Array> {
    for (const machine of [this.#keyValue, this.#lists]) {
      const bytes = Buffer.concat([...machine.snapshot()])
      const size = new Uint8Array(4)
      new DataView(size.buffer).setUint32(0, bytes.length, true)
      yield size
      yield bytes
    }
  }

  /** Throws an `EpaxosError` with code `damaged`. */
  restore(chunks: Iterable<Uint8Array>): void {
    const source = new ChunkReader(chunks)
    for (const machine of [this.#keyValue, this.#lists]) machine.restore([source.bytes(source.u32())])
    source.end()
  }

  #of(bytes: Uint8Array, start: number, end: number): StateMachine {
    return start < end && bytes[start] === LIST_COMMAND ? this.#lists : this.#keyValue
  }
}
