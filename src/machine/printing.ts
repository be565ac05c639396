import type { FootprintBuilder } from '../engine/footprint.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { ChunkReader, ChunkWriter } from '../execution/chunks.ts'
import type { MachineImage, StateMachine } from '../execution/machine.ts'
import type { ResultBuffer } from '../execution/result-buffer.ts'

/** The longest line in bytes. */
export const MAX_LINE_BYTES = 64 << 10

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const strictDecoder = new TextDecoder('utf-8', { fatal: true })
const THE_KEY = encoder.encode('transcript')
const NEWLINE = 0x0a

/**
 * A state machine that only writes down what it executes. A command is one line of UTF-8 text without its line end; its
 * result is the number of the line in ASCII, from 1. All commands interfere, so all replicas write the same transcript.
 */
export class PrintingMachine implements StateMachine {
  readonly #print: (line: string, number: number) => void
  #lines: string[] = []

  /** @param print called for each line when it executes, and after a restore for all lines from 1 on */
  constructor(print: (line: string, number: number) => void = () => {}) {
    this.#print = print
  }

  get lines(): readonly string[] {
    return this.#lines
  }

  footprint(bytes: Uint8Array, start: number, end: number, keys: FootprintBuilder): void {
    if (end - start > MAX_LINE_BYTES) {
      throw new EpaxosError(ErrorCode.tooLarge, `a line of ${end - start} bytes is too large`)
    }
    const command = bytes.subarray(start, end)
    if (command.includes(NEWLINE) || !isText(command)) {
      throw new EpaxosError(ErrorCode.badCommand, 'a command of the printing machine is one line of UTF-8 text')
    }
    keys.write(THE_KEY)
  }

  apply(bytes: Uint8Array, start: number, end: number, result: ResultBuffer): void {
    const number = this.#lines.push(decoder.decode(bytes.subarray(start, end)))
    this.#print(this.#lines[number - 1] as string, number)
    result.text(String(number))
  }

  snapshot(): Iterable<Uint8Array> {
    return write(this.#lines, this.#lines.length)
  }

  /** What was printed stays as it is: the number of lines says what the transcript was. */
  capture(): MachineImage {
    return { chunks: write(this.#lines, this.#lines.length), waitingBytes: 0, release: () => {} }
  }

  /** Throws an `EpaxosError` with code `damaged`; nothing changes then. */
  restore(chunks: Iterable<Uint8Array>): void {
    const source = new ChunkReader(chunks)
    const lines: string[] = []
    for (let left = source.u32(); left > 0; left--) lines.push(decoder.decode(source.bytes(source.u32())))
    source.end()
    this.#lines = lines
    lines.forEach((line, i) => {
      this.#print(line, i + 1)
    })
  }
}

/** The first `count` lines: `u32 count`, and per line `u32 size, text`. */
function* write(lines: readonly string[], count: number): Iterable<Uint8Array> {
  const out = new ChunkWriter()
  out.u32(count)
  for (let i = 0; i < count; i++) {
    const bytes = encoder.encode(lines[i])
    out.u32(bytes.length)
    out.bytes(bytes)
    if (out.full) yield out.take()
  }
  if (out.length > 0) yield out.take()
}

function isText(bytes: Uint8Array): boolean {
  try {
    strictDecoder.decode(bytes)
    return true
  } catch {
    return false
  }
}
