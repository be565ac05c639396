import type { Random } from '../support/random.ts'

/** Numbers near the limits that lengths, offsets and lanes are likely to be checked against. */
const TELLING = [
  0,
  1,
  2,
  3,
  4,
  5,
  8,
  12,
  16,
  17,
  255,
  256,
  2 ** 15,
  2 ** 16 - 1,
  2 ** 20,
  2 ** 21,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 4,
  2 ** 32 - 1,
]

type Mutation = (random: Random, flatbuffer: Uint8Array, other: Uint8Array) => Uint8Array

const flip: Mutation = (random, flatbuffer) => {
  const bytes = flatbuffer.slice()
  const flips = 1 + random.below(3)
  for (let i = 0; i < flips; i++) {
    const at = random.below(bytes.length)
    bytes[at] = random.chance(0.5) ? (bytes[at] as number) ^ (1 << random.below(8)) : random.below(256)
  }
  return bytes
}

/** A word becomes one of these numbers, or one near its old value. */
const lie: Mutation = (random, flatbuffer) => {
  const bytes = flatbuffer.slice()
  const view = new DataView(bytes.buffer)
  const at = 4 * random.below(bytes.length >> 2)
  const was = view.getUint32(at, true)
  view.setUint32(at, random.chance(0.5) ? random.pick(TELLING) : was + random.pick([-8, -4, -2, -1, 1, 2, 4, 8]), true)
  return bytes
}

/** A half word, as in vtables, becomes one of these numbers, or one near its old value. */
const halfLie: Mutation = (random, flatbuffer) => {
  const bytes = flatbuffer.slice()
  const view = new DataView(bytes.buffer)
  const at = 2 * random.below(Math.min(bytes.length, 64) >> 1)
  const was = view.getUint16(at, true)
  view.setUint16(at, random.chance(0.5) ? random.pick(TELLING) : was + random.pick([-4, -2, -1, 1, 2, 4]), true)
  return bytes
}

const truncate: Mutation = (random, flatbuffer) => flatbuffer.slice(0, random.below(flatbuffer.length))

const extend: Mutation = (random, flatbuffer, other) => {
  return joined(flatbuffer, other.subarray(0, 4 * (1 + random.below(4))))
}

const splice: Mutation = (random, flatbuffer, other) => {
  const cut = 4 * random.below(1 + (flatbuffer.length >> 2))
  const from = random.chance(0.5) ? Math.min(cut, other.length) : 4 * random.below(1 + (other.length >> 2))
  return joined(flatbuffer.subarray(0, cut), other.subarray(from))
}

const noise: Mutation = (random, flatbuffer) => {
  const bytes = Uint8Array.from({ length: 4 * random.below(40) }, () => random.below(random.pick([2, 32, 256])))
  if (random.chance(0.5)) bytes.set(flatbuffer.subarray(0, Math.min(bytes.length, 28)))
  return bytes
}

const mutations: readonly Mutation[] = [flip, flip, lie, lie, lie, halfLie, halfLie, truncate, extend, splice, noise]

/** The flatbuffer with one or two changes; `other` belongs to the same schema. */
export function mutate(random: Random, flatbuffer: Uint8Array, other: Uint8Array): Uint8Array {
  const once = random.pick(mutations)(random, flatbuffer, other)
  return random.chance(0.2) && once.length >= 4 ? random.pick(mutations)(random, once, other) : once
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length)
  bytes.set(first)
  bytes.set(second, first.length)
  return bytes
}

/**
 * A message inside two larger buffers that differ everywhere around it: a reader that reads outside the message sees
 * two different things.
 */
export class Surroundings {
  readonly #buffers = [
    new Uint8Array(1 << 14).fill(0xff),
    Uint8Array.from({ length: 1 << 14 }, (_, i) => (i % 4 === 0 ? 4 : 0)),
  ]

  /** Calls `look` with the bytes inside each buffer, at the same offset. */
  both<T>(bytes: Uint8Array, offset: number, look: (placed: Uint8Array) => T): [T, T] {
    const results = this.#buffers.map((buffer) => {
      const whole =
        bytes.length + 2048 > buffer.length ? new Uint8Array(bytes.length + 4096).fill(buffer[0] as number) : buffer
      const start = 1024 + offset
      const covered = whole.slice(start, start + bytes.length)
      whole.set(bytes, start)
      const result = look(whole.subarray(start, start + bytes.length))
      whole.set(covered, start)
      return result
    })
    return results as [T, T]
  }
}
