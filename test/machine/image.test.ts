import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpaxosError } from '../../src/errors.ts'
import { deleteCommand, getCommand, MAX_VALUE_BYTES, putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { apply } from '../support/apply.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { encodeStep, Model, randomStep, text } from './support.ts'

const test = suite('image of the key-value machine')

/** The store with its model, under random commands. */
class Subject {
  readonly machine = new KeyValueStore()
  readonly model = new Model()
  readonly #random: Random
  readonly #keys: number

  constructor(random: Random, keys: number) {
    this.#random = random
    this.#keys = keys
  }

  step(): void {
    const step = this.#random.chance(0.01)
      ? { put: `key ${this.#random.below(this.#keys)}`, value: 'w'.repeat(this.#random.below(20_000)) }
      : randomStep(this.#random, this.#keys)
    this.model.apply(step)
    apply(this.machine, encodeStep(step))
  }

  steps(count: number): void {
    for (let i = 0; i < count; i++) this.step()
  }
}

function restored(chunks: Iterable<Uint8Array>): KeyValueStore {
  const copy = new KeyValueStore()
  copy.restore(chunks)
  return copy
}

function expectContents(machine: KeyValueStore, values: ReadonlyMap<string, string>, message: string): void {
  assert.is(machine.size, values.size, message)
  for (const [key, value] of values) {
    assert.is(text(apply(machine, getCommand(key))), `\0${value}`, `${key}, ${message}`)
  }
}

test('is what the store held when it was begun, whatever changes while it is read', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  let steps = 0
  for (let round = 0; round < 60; round++) {
    const subject = new Subject(random, random.pick([3, 40, 3000]))
    subject.steps(random.below(4000))
    for (let images = 1 + random.below(3); images > 0; images--) {
      const values = new Map(subject.model.values)
      const image = subject.machine.capture()
      const chunks: Uint8Array[] = []
      const pace = random.pick([0, 5, 300])
      const end = random.chance(0.2) ? random.below(4) : Number.POSITIVE_INFINITY
      for (const chunk of image.chunks) {
        chunks.push(chunk.slice())
        chunk.fill(0xee)
        if (chunks.length > end) break
        subject.steps(random.below(pace + 1))
        steps++
      }
      const message = `seed ${seed}, round ${round}`
      if (chunks.length > end) image.release()
      else expectContents(restored(chunks), values, message)
      image.release()
      subject.steps(random.below(100))
      expectContents(subject.machine, subject.model.values, message)
    }
  }
  volume('steps of images with changes between them', steps)
})

test('equal stores with another history give other images, which restore to equal stores', () => {
  const [one, two] = [new KeyValueStore(), new KeyValueStore()]
  const keys = Array.from({ length: 5000 }, (_, i) => `k${i}`)
  for (const key of keys) apply(one, putCommand(key, `v${key}`))
  for (const key of keys.toReversed()) apply(two, putCommand(key, `v${key}`))
  const [first, second] = [one, two].map((machine) => Buffer.concat([...machine.capture().chunks])) as [Buffer, Buffer]
  assert.not.equal(first, second)
  assert.equal(Buffer.concat([...restored([first]).snapshot()]), Buffer.concat([...restored([second]).snapshot()]))
})

test('takes memory for what changes before it is read, never more than the whole state', () => {
  const machine = new KeyValueStore()
  const value = 'x'.repeat(100)
  for (let i = 0; i < 20_000; i++) apply(machine, putCommand(`k${i}`, value))
  const size = Buffer.concat([...machine.snapshot()]).length
  const image = machine.capture()
  assert.ok(image.waitingBytes < 100)
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 10_000; i++) apply(machine, putCommand(`k${i}`, `${round}`))
    const waiting = image.waitingBytes
    assert.ok(waiting > 0.45 * size && waiting < 0.55 * size, `${waiting} of ${size}`)
  }
  for (let i = 0; i < 20_000; i++) apply(machine, deleteCommand(`k${i}`))
  assert.ok(image.waitingBytes <= size)
  apply(machine, putCommand('new', 'x'))
  const copy = restored(image.chunks)
  assert.is(copy.size, 20_000)
  assert.is(machine.size, 1)
  assert.is(image.waitingBytes, 0)
})

test('a step writes about a chunk, and looks at a few thousand places where nothing is', () => {
  const machine = new KeyValueStore()
  for (let i = 0; i < 100_000; i++) apply(machine, putCommand(`k${i}`, 'v'))
  for (let i = 0; i < 99_000; i++) apply(machine, deleteCommand(`k${i}`))
  const sizes = [...machine.capture().chunks].map(({ length }) => length)
  assert.ok(sizes.length > 20, `${sizes.length} steps for 100,000 places`)
  const large = new KeyValueStore()
  for (let i = 0; i < 10; i++) apply(large, putCommand(`k${i}`, new Uint8Array(MAX_VALUE_BYTES)))
  const steps = [...large.capture().chunks].map(({ length }) => length)
  assert.ok(
    steps.every((length) => length < MAX_VALUE_BYTES + (66 << 10)),
    `${steps}`,
  )
})

test('goes on as it was when the state is replaced meanwhile', () => {
  const machine = new KeyValueStore()
  for (let i = 0; i < 9000; i++) apply(machine, putCommand(`k${i}`, 'before'))
  const image = machine.capture()
  const chunks = image.chunks[Symbol.iterator]()
  const first = chunks.next().value as Uint8Array
  machine.restore(new KeyValueStore().snapshot())
  apply(machine, putCommand('k1', 'after'))
  const next = machine.capture()
  const rest = [...{ [Symbol.iterator]: () => chunks }]
  const copy = restored([first, ...rest])
  assert.is(copy.size, 9000)
  assert.is(text(apply(copy, getCommand('k1'))), '\0before')
  image.release()
  assert.is(restored(next.chunks).size, 1)
})

test('one that lacks an entry, has one twice, or another value is refused', () => {
  const machine = new KeyValueStore()
  for (const key of ['a', 'b', 'c']) apply(machine, putCommand(key, `value of ${key}`))
  const image = Buffer.concat([...machine.capture().chunks])
  const entry = (image.length - 12) / 3
  const twice = Buffer.concat([image.subarray(0, 12 + 2 * entry), image.subarray(12, 12 + entry)])
  const changed = Buffer.from(image)
  changed[image.length - 1] = 0
  for (const damaged of [twice, changed, image.subarray(0, 12 + 2 * entry), Buffer.concat([image, image])]) {
    assert.throws(
      () => restored([damaged]),
      (error: unknown) => error instanceof EpaxosError && error.code === 'damaged',
    )
  }
  assert.is(restored([image]).size, 3)
})

test('one at a time', () => {
  const machine = new KeyValueStore()
  const image = machine.capture()
  assert.throws(() => machine.capture(), /one image/)
  image.release()
  image.release()
  machine.capture()
})

test.run()
