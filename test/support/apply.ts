import { FootprintBuilder } from '../../src/engine/footprint.ts'
import type { StateMachine } from '../../src/execution/machine.ts'
import { ResultBuffer } from '../../src/execution/result-buffer.ts'

/** What stands before and behind a command, as in a batch: a machine that reads it does what it should not. */
const AROUND = 5
const NOISE = 0xa5

/** The result of a command. */
export function apply(machine: StateMachine, command: Uint8Array): Uint8Array {
  return applyWithin(machine, command, Number.POSITIVE_INFINITY) as Uint8Array
}

/** Null instead of a result of more than `room` bytes. */
export function applyWithin(machine: StateMachine, command: Uint8Array, room: number): Uint8Array | null {
  const result = new ResultBuffer()
  result.begin(room)
  const bytes = surrounded(command)
  machine.apply(bytes, AROUND, AROUND + command.length, result)
  return result.whole ? result.copy() : null
}

/** Adds the footprint of a command to `keys`. */
export function footprint(machine: StateMachine, command: Uint8Array, keys = new FootprintBuilder()): void {
  machine.footprint(surrounded(command), AROUND, AROUND + command.length, keys)
}

function surrounded(command: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(command.length + 2 * AROUND).fill(NOISE)
  bytes.set(command, AROUND)
  return bytes
}
