import type { FootprintBuilder } from '../../../src/engine/footprint.ts'
import type { StateMachine } from '../../../src/execution/machine.ts'
import type { ResultBuffer } from '../../../src/execution/result-buffer.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The first word of a line. */
export function keyOf(line: string): string {
  return line.split(' ', 1)[0] as string
}

/**
 * Writes down what it executes. A command is a line of text; it interferes with the lines of the same key and with no
 * others. Its result is its number among these lines.
 */
export class LineMachine implements StateMachine {
  /** Executed in all. */
  lines = 0
  readonly #print: (line: string) => void
  #counts = new Map<string, number>()

  constructor(print: (line: string) => void) {
    this.#print = print
  }

  footprint(bytes: Uint8Array, start: number, end: number, keys: FootprintBuilder): void {
    keys.write(encoder.encode(keyOf(decoder.decode(bytes.subarray(start, end)))))
  }

  apply(bytes: Uint8Array, start: number, end: number, result: ResultBuffer): void {
    const line = decoder.decode(bytes.subarray(start, end))
    const key = keyOf(line)
    const number = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, number)
    this.lines++
    this.#print(line)
    result.text(`${number}`)
  }

  snapshot(): Iterable<Uint8Array> {
    const counts = [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1))
    return [encoder.encode(JSON.stringify(counts))]
  }

  restore(chunks: Iterable<Uint8Array>): void {
    this.#counts = new Map(JSON.parse(Buffer.concat([...chunks]).toString()))
  }
}
