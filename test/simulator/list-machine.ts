import type { FootprintBuilder } from '../../src/engine/footprint.ts'
import { EpaxosError } from '../../src/errors.ts'
import { ChunkReader, ChunkWriter } from '../../src/execution/chunks.ts'
import type { StateMachine } from '../../src/execution/machine.ts'
import type { ResultBuffer } from '../../src/execution/result-buffer.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Lists by key: `a KEY VALUE` appends and returns the length, `r KEY` returns the values, separated by commas. Every
 * lost, repeated or reordered update shows in every later read.
 */
export class ListMachine implements StateMachine {
  #lists = new Map<string, string[]>()

  footprint(bytes: Uint8Array, start: number, end: number, keys: FootprintBuilder): void {
    const [verb, key, value] = wordsOf(bytes.subarray(start, end))
    if (key === undefined || (verb !== 'r' && (verb !== 'a' || value === undefined))) {
      throw new EpaxosError('bad_command', 'a command of the list machine is "a KEY VALUE" or "r KEY"')
    }
    if (verb === 'r') keys.read(encoder.encode(key))
    else keys.write(encoder.encode(key))
  }

  apply(bytes: Uint8Array, start: number, end: number, result: ResultBuffer): void {
    const [verb, key, value] = wordsOf(bytes.subarray(start, end)) as [string, string, string]
    const list = this.#lists.get(key) ?? []
    if (verb === 'r') return result.text(list.join(','))
    this.#lists.set(key, list)
    result.text(String(list.push(value)))
  }

  *snapshot(): Iterable<Uint8Array> {
    const out = new ChunkWriter()
    const lines = [...this.#lists].map(([key, list]) => `${key} ${list.join(' ')}`).sort()
    const bytes = encoder.encode(lines.join('\n'))
    out.u32(bytes.length)
    out.bytes(bytes)
    yield out.take()
  }

  restore(chunks: Iterable<Uint8Array>): void {
    const source = new ChunkReader(chunks)
    const text = decoder.decode(source.bytes(source.u32()))
    source.end()
    const lines = text === '' ? [] : text.split('\n').map((line) => line.split(' '))
    this.#lists = new Map(lines.map(([key, ...list]) => [key as string, list]))
  }
}

function wordsOf(command: Uint8Array): string[] {
  return decoder.decode(command).split(' ')
}
