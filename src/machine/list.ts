import type { FootprintBuilder } from '../engine/footprint.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { ChunkReader, ChunkWriter } from '../execution/chunks.ts'
import type { StateMachine } from '../execution/machine.ts'
import type { ResultBuffer } from '../execution/result-buffer.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/**
 * One step of a transaction, as Maelstrom writes it: read a key (null if it is absent), write it, or append to its
 * list. The result replaces the value of a read by what it read.
 */
export type Step =
  | readonly ['r', key: Json, value: Json]
  | readonly ['w', key: Json, value: Json]
  | readonly ['append', key: Json, value: Json]

/** Deeper values are refused, so that reading and writing them never overflows the stack. */
export const MAX_VALUE_DEPTH = 32

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The result of a transaction that appends to a value that is not a list, or that is not valid: nothing was changed.
 */
const NOT_DONE = 'null'

/**
 * A state machine of JSON values by key; a key that was appended to holds a list. A command is a transaction: a JSON
 * array of {@link Step}s, applied in order, atomically. Its result is the same array with the values that were read, or
 * `null` if it appends to a value that is not a list: nothing changes then.
 */
export class ListStore implements StateMachine {
  /** By the JSON text of the key. */
  #values = new Map<string, Json>()

  footprint(bytes: Uint8Array, start: number, end: number, keys: FootprintBuilder): void {
    const steps = readSteps(bytes.subarray(start, end))
    if (steps === null) throw new EpaxosError(ErrorCode.badCommand, 'not a transaction of the list machine')
    for (const [kind, key] of steps) {
      const name = encoder.encode(JSON.stringify(key))
      if (kind === 'r') keys.read(name)
      else keys.write(name)
    }
  }

  apply(bytes: Uint8Array, start: number, end: number, result: ResultBuffer): void {
    const steps = readSteps(bytes.subarray(start, end))
    if (steps === null) return result.text(NOT_DONE)
    const written = new Map<string, Json>()
    const results: Step[] = []
    for (const step of steps) {
      const [kind, key, value] = step
      const name = JSON.stringify(key)
      const present = written.get(name) ?? this.#values.get(name) ?? null
      if (kind === 'append' && present !== null && !Array.isArray(present)) return result.text(NOT_DONE)
      if (kind === 'append') written.set(name, [...((present ?? []) as readonly Json[]), value])
      else if (kind === 'w') written.set(name, value)
      results.push(kind === 'r' ? [kind, key, present] : step)
    }
    for (const [name, value] of written) this.#values.set(name, value)
    result.text(JSON.stringify(results))
  }

  /** `u32 count`, then per key, ascending, `u32 size` and the JSON text of key and value. */
  *snapshot(): Iterable<Uint8Array> {
    const out = new ChunkWriter()
    out.u32(this.#values.size)
    for (const name of [...this.#values.keys()].sort()) {
      const entry = encoder.encode(JSON.stringify([name, this.#values.get(name)]))
      out.u32(entry.length)
      out.bytes(entry)
      if (out.full) yield out.take()
    }
    if (out.length > 0) yield out.take()
  }

  /** Throws an `EpaxosError` with code `damaged`; nothing changes then. */
  restore(chunks: Iterable<Uint8Array>): void {
    const source = new ChunkReader(chunks)
    const values = new Map<string, Json>()
    for (let left = source.u32(); left > 0; left--) {
      const entry = parse(source.bytes(source.u32()))
      if (!Array.isArray(entry) || entry.length !== 2 || typeof entry[0] !== 'string') {
        throw new EpaxosError(ErrorCode.damaged, 'a snapshot of the list machine holds an impossible entry')
      }
      values.set(entry[0], entry[1] as Json)
    }
    source.end()
    this.#values = values
  }
}

/** Throws an `EpaxosError` with code `bad_command` for what the machine would refuse. */
export function transactionOf(steps: readonly Step[]): Uint8Array {
  if (areSteps(steps)) return encoder.encode(JSON.stringify(steps))
  throw new EpaxosError(ErrorCode.badCommand, 'a transaction is an array of ["r" | "w" | "append", key, value]')
}

/** The results of the steps of a transaction; null if it was not done. */
export function readTransaction(result: Uint8Array): readonly Step[] | null {
  return parse(result) as readonly Step[] | null
}

function readSteps(command: Uint8Array): readonly Step[] | null {
  const steps = parse(command)
  return areSteps(steps) ? steps : null
}

function areSteps(value: unknown): value is readonly Step[] {
  return Array.isArray(value) && value.every(isStep) && isShallow(value, MAX_VALUE_DEPTH)
}

function isStep(step: unknown): boolean {
  return Array.isArray(step) && step.length === 3 && ['r', 'w', 'append'].includes(step[0] as string)
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return depth > 0 && Object.values(value).every((inner) => isShallow(inner, depth - 1))
}

/** Undefined for bytes that are not JSON. */
function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes))
  } catch {
    return undefined
  }
}
