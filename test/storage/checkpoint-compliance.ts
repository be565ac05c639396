import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpaxosError } from '../../src/errors.ts'
import type {
  CheckpointHeader,
  CheckpointReader,
  CheckpointReceiver,
  CheckpointStore,
} from '../../src/storage/checkpoints.ts'
import { MemoryCheckpoints } from '../../src/storage/memory-checkpoints.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { hasCode, text, until } from './compliance.ts'

/** A place that keeps checkpoints: the store is opened again and again on it, within one test. */
export interface Subject {
  open(): Promise<CheckpointStore>
  /** How many checkpoints take space, whole or not. */
  count(): number
  /** As after kill -9 of the process that has the store open. */
  crash(store: CheckpointStore): Promise<void>
  /** Changes a whole checkpoint: flips a bit, or cuts it off. The store is closed. */
  damage(random: Random): void
  /** From now on writes fail, or succeed again. */
  breakDisk?(broken: boolean): void
  remove(): Promise<void>
}

export type Image = Record<string, Uint8Array>

/** What every checkpoint store promises: run for each implementation. */
export function checkpointCompliance(name: string, create: () => Promise<Subject>): void {
  const checkpoints = suite(`checkpoints (${name})`)

  function test(title: string, body: (subject: Subject) => Promise<void>): void {
    checkpoints(title, async () => {
      const subject = await create()
      try {
        await body(subject)
      } finally {
        await subject.remove()
      }
    })
  }

  test('a new store has none', async (subject) => {
    const store = await subject.open()
    assert.is(store.latest(), null)
    await store.close()
  })

  test('a finished checkpoint is read as it was written, here and after opening again', async (subject) => {
    let store = await subject.open()
    const image = { machine: text('the state'), sessions: text('who did what'), core: text('c') }
    await take(store, image, { ...header(7), executed: [3, 0, 2 ** 40], beyond: [[5, 9], [], [2 ** 40 + 2]] })
    for (let round = 0; round < 2; round++) {
      const reader = store.latest() as CheckpointReader
      assert.equal(imageOf(reader), image)
      assert.equal(reader.header, { ...header(7), executed: [3, 0, 2 ** 40], beyond: [[5, 9], [], [2 ** 40 + 2]] })
      assert.equal(
        reader.sections.map((section) => section.name),
        ['machine', 'sessions', 'core'],
      )
      assert.equal([...reader.chunks('members')], [])
      assert.is(reader.bytes, 22)
      reader.close()
      await store.close()
      store = await subject.open()
    }
    await store.close()
  })

  test('a section may be empty, small, or larger than any chunk; chunks are counted over all', async (subject) => {
    const seed = freshSeed()
    const random = new Random(seed)
    const store = await subject.open()
    const image = { none: new Uint8Array(0), large: bytes(random, 3_000_001), small: bytes(random, 1), core: text('x') }
    await take(store, image)
    const reader = store.latest() as CheckpointReader
    same(imageOf(reader), image, `seed ${seed}`)
    const indexes = Array.from({ length: reader.sections.reduce((sum, { chunks }) => sum + chunks, 0) }, (_, i) => i)
    assert.ok(same1(join(indexes.map((index) => reader.chunk(index))), join(Object.values(image))))
    assert.throws(() => reader.chunk(indexes.length), hasCode('damaged'))
    reader.close()
    await store.close()
  })

  test('bytes are copied before append returns, and the bytes that are read belong to the caller', async (subject) => {
    const store = await subject.open()
    const writer = store.begin(header(1))
    const buffer = new Uint8Array(1000)
    for (let i = 0; i < 10; i++) {
      const done = writer.append('machine', buffer.fill(i).subarray(100, 200))
      buffer.fill(99)
      await done
    }
    await writer.finish()
    const reader = store.latest() as CheckpointReader
    for (const chunk of reader.chunks('machine')) chunk.fill(77)
    const expected = join(Array.from({ length: 10 }, (_, i) => new Uint8Array(100).fill(i)))
    assert.equal(imageOf(reader).machine, expected)
    reader.close()
    await store.close()
  })

  test('one that is unfinished or abandoned does not exist, and takes no space afterwards', async (subject) => {
    let store = await subject.open()
    const writer = store.begin(header(1))
    await writer.append('machine', new Uint8Array(2_000_000))
    assert.is(store.latest(), null)
    await writer.abandon()
    await writer.abandon()
    assert.is(store.latest(), null)
    await rejects(writer.append('machine', text('late')), 'closed')
    assert.is(subject.count(), 0)
    await take(store, { machine: text('kept') }, header(2))
    await store.begin(header(3)).append('machine', new Uint8Array(2_000_000))
    await subject.crash(store)
    store = await subject.open()
    expectLatest(store, 2, 'kept')
    assert.is(subject.count(), 1)
    await store.begin(header(4)).append('machine', new Uint8Array(2_000_000))
    await store.close()
    assert.is(subject.count(), 1, 'closing abandons it')
  })

  test('the previous one is there until the next is whole, and gone then', async (subject) => {
    let store = await subject.open()
    for (let round = 1; round <= 4; round++) {
      const writer = store.begin(header(round))
      await writer.append('machine', new Uint8Array(1_500_000).fill(round))
      if (round > 1) expectLatest(store, round - 1)
      await writer.append('core', text(`${round}`))
      const finished = writer.finish()
      if (round > 1) expectLatest(store, round - 1)
      await finished
      expectLatest(store, round)
      if (round === 2) {
        await store.close()
        store = await subject.open()
        expectLatest(store, round)
      }
    }
    await store.close()
    assert.is(subject.count(), 1)
  })

  test('a reader keeps its checkpoint until it is closed, whatever is taken meanwhile', async (subject) => {
    const store = await subject.open()
    await take(store, { machine: text('one') }, header(1))
    const readers = [store.latest(), store.latest()] as CheckpointReader[]
    await take(store, { machine: text('two') }, header(2))
    await take(store, { machine: text('three') }, header(3))
    for (const reader of readers) {
      assert.equal(imageOf(reader), { machine: text('one') })
      reader.close()
      reader.close()
      assert.throws(() => reader.chunk(0), hasCode('closed'))
    }
    expectLatest(store, 3, 'three')
    await store.close()
    assert.is(subject.count(), 1)
  })

  test('one that a crash left behind can be read until the newest is known to be good', async (subject) => {
    let store = await subject.open()
    await take(store, { machine: text('one') }, header(1))
    store.latest()
    await take(store, { machine: text('two') }, header(2))
    await subject.crash(store)
    store = await subject.open()
    assert.is(store.whole.length, 2)
    expectLatest(store, 2, 'two')
    const before = store.read(store.whole[0] as number)
    assert.equal(imageOf(before), { machine: text('one') })
    before.close()
    store.settle()
    await store.close()
    assert.is(subject.count(), 1)
  })

  test('checkpoints have numbers of their own, also across restarts', async (subject) => {
    const seen = new Set<number>()
    for (let round = 0; round < 4; round++) {
      const store = await subject.open()
      if (round % 2 === 1) await store.begin(header(9)).abandon()
      await take(store, { machine: text('x') })
      const reader = store.latest() as CheckpointReader
      seen.add(reader.number)
      reader.close()
      await store.close()
    }
    assert.is(seen.size, 4)
  })

  test('a closed store gives nothing, takes nothing, and its readers read nothing', async (subject) => {
    const store = await subject.open()
    await take(store, { machine: text('x') })
    const reader = store.latest() as CheckpointReader
    const writer = store.begin(header(2))
    await Promise.all([store.close(), store.close()])
    assert.throws(() => store.latest(), hasCode('closed'))
    assert.throws(() => store.begin(header(3)), hasCode('closed'))
    assert.throws(() => [...reader.chunks('machine')], hasCode('closed'))
    await rejects(writer.append('machine', text('late')), 'closed')
    reader.close()
  })

  test('whatever is damaged is found, and named, and never given out', async (subject) => {
    const seed = freshSeed()
    const random = new Random(seed)
    const outcomes = { found: 0, harmless: 0 }
    for (let round = 0; round < 60; round++) {
      let store = await subject.open()
      const image = { machine: bytes(random, 300_000), core: bytes(random, 5000) }
      await take(store, image, header(round))
      await store.close()
      subject.damage(random)
      store = await subject.open()
      try {
        const reader = store.latest() as CheckpointReader
        same(imageOf(reader), image, `seed ${seed}, round ${round}`)
        assert.equal(reader.header, header(round))
        outcomes.harmless++
      } catch (error) {
        if (!(error instanceof EpaxosError)) throw error
        assert.is(error.code, 'damaged', error.message)
        assert.match(error.message, /checkpoint .*(chunk \d+ \((machine|core)\)|seal|data\.mdb)/)
        outcomes.found++
      }
      await store.close()
    }
    assert.ok(outcomes.found > 5, `${JSON.stringify(outcomes)}, seed ${seed}`)
    volume('damaged checkpoints', outcomes.found + outcomes.harmless)
  })

  test('a disk that fails is reported; the checkpoint before it stays, and the next one succeeds', async (subject) => {
    if (subject.breakDisk === undefined) return
    const store = await subject.open()
    await take(store, { machine: text('one') }, header(1))
    for (const size of [10, 5_000_000]) {
      const writer = store.begin(header(2))
      subject.breakDisk(true)
      await rejects(fill(writer, size), 'storage')
      await writer.abandon()
      expectLatest(store, 1, 'one')
      subject.breakDisk(false)
      assert.is(subject.count(), 1)
    }
    await take(store, { machine: text('three') }, header(3))
    expectLatest(store, 3, 'three')
    await store.close()
  })

  receivingTests(test)

  test('random taking, giving up, reading, crashing and opening again agrees with a model', async (subject) => {
    const seed = freshSeed()
    const random = new Random(seed)
    let store = await subject.open()
    let model: Image | null = null
    const read: { reader: CheckpointReader; image: Image }[] = []
    for (let step = 0; step < 150; step++) {
      const choice = random.next()
      if (choice < 0.5) {
        const image = randomImage(random)
        const writer = store.begin(header(step))
        for (const [name, content] of Object.entries(image)) await writer.append(name, content)
        if (random.chance(0.7)) {
          await writer.finish()
          model = image
        } else await writer.abandon()
      } else if (choice < 0.7) {
        const reader = store.latest()
        assert.is(reader === null, model === null, `step ${step}, seed ${seed}`)
        if (reader !== null && model !== null) read.push({ reader, image: model })
      } else if (choice < 0.9) {
        const entry = read.splice(random.below(read.length), 1)[0]
        if (entry !== undefined) same(imageOf(entry.reader), entry.image, `step ${step}, seed ${seed}`)
        entry?.reader.close()
      } else {
        if (random.chance(0.5)) await subject.crash(store)
        else await store.close()
        read.length = 0
        store = await subject.open()
      }
    }
    volume('checkpoint operations against a model', 150)
    await store.close()
  })

  checkpoints.run()
}

type Test = (title: string, body: (subject: Subject) => Promise<void>) => void

/** A whole checkpoint of another replica, to be received. */
async function checkpointOf(image: Image, of = header(1)): Promise<CheckpointReader> {
  const store = new MemoryCheckpoints().open()
  await take(store, image, of)
  return store.latest() as CheckpointReader
}

async function receiveRest(receiver: CheckpointReceiver, giver: CheckpointReader, upTo = giver.chunkCount) {
  while (receiver.received < upTo) await receiver.append(giver.chunk(receiver.received))
}

function receivingTests(test: Test): void {
  test('a checkpoint of a peer is received chunk by chunk, and is not the latest', async (subject) => {
    const random = new Random(freshSeed())
    const image = { machine: bytes(random, 3_000_000), core: text('core'), none: new Uint8Array(0) }
    const giver = await checkpointOf(image, header(77))
    const store = await subject.open()
    assert.is(store.received(), null)
    const receiver = await store.receive({ giver: 2, number: giver.number }, giver.seal)
    assert.equal(receiver.header, header(77))
    assert.equal([receiver.received, receiver.chunkCount, receiver.bytes], [0, giver.chunkCount, 3_000_004])
    await receiveRest(receiver, giver)
    const reader = receiver.read()
    same(imageOf(reader), image, 'received')
    reader.close()
    assert.is(store.latest(), null)
    assert.is(store.received(), receiver)
    await receiver.discard()
    assert.is(store.received(), null)
    assert.is(subject.count(), 0)
    await store.close()
  })

  test('what was received outlives restarts and kills, and is continued', async (subject) => {
    const seed = freshSeed()
    const random = new Random(seed)
    const image = { machine: bytes(random, 6_000_000), sessions: bytes(random, 300_000) }
    const giver = await checkpointOf(image)
    let store = await subject.open()
    const origin = { giver: 0, number: giver.number }
    let receiver = await store.receive(origin, giver.seal)
    for (let upTo = 0; upTo < giver.chunkCount; upTo += 1 + random.below(16)) {
      await receiveRest(receiver, giver, upTo)
      const before = receiver.received
      if (random.chance(0.5)) await subject.crash(store)
      else await store.close()
      store = await subject.open()
      const again = store.received()
      if (again === null) receiver = await store.receive(origin, giver.seal)
      else receiver = again
      assert.ok(receiver.received <= before && receiver.received >= before - 32, `${before}, seed ${seed}`)
      assert.equal(receiver.origin, origin)
    }
    await receiveRest(receiver, giver)
    await store.close()
    store = await subject.open()
    const whole = store.received() as CheckpointReceiver
    assert.is(whole.received, whole.chunkCount)
    same(imageOf(whole.read()), image, `seed ${seed}`)
    await store.close()
  })

  test('another origin takes the place of what was received, a checkpoint of its own does not', async (subject) => {
    const store = await subject.open()
    const first = await checkpointOf({ machine: new Uint8Array(2_000_000) })
    const second = await checkpointOf({ machine: text('second') }, header(2))
    const old = await store.receive({ giver: 1, number: 5 }, first.seal)
    await receiveRest(old, first, 9)
    await take(store, { machine: text('own') })
    assert.is(store.received()?.received, 9)
    const receiver = await store.receive({ giver: 2, number: 5 }, second.seal)
    await rejects(old.append(first.chunk(9)), 'closed')
    await receiveRest(receiver, second)
    assert.equal(imageOf(receiver.read()), { machine: text('second') })
    expectLatest(store, 1, 'own')
    await store.close()
    assert.is(subject.count(), 2)
  })

  test('what is no seal, or no chunk of the checkpoint, is refused', async (subject) => {
    const store = await subject.open()
    const giver = await checkpointOf({ machine: new Uint8Array(200_000) })
    const flipped = giver.seal.slice()
    flipped[20] = (flipped[20] as number) ^ 1
    await rejects(store.receive({ giver: 1, number: 1 }, flipped), 'malformed')
    await rejects(store.receive({ giver: 1, number: 1 }, new Uint8Array(0)), 'malformed')
    const receiver = await store.receive({ giver: 1, number: 1 }, giver.seal)
    await rejects(receiver.append(new Uint8Array(0)), 'malformed')
    await rejects(receiver.append(new Uint8Array(1 << 20)), 'malformed')
    await receiveRest(receiver, giver)
    await rejects(receiver.append(giver.chunk(0)), 'malformed')
    await store.close()
    await rejects(receiver.append(giver.chunk(0)), 'closed')
  })

  test('a disk that fails while it is received is reported', async (subject) => {
    if (subject.breakDisk === undefined) return
    const store = await subject.open()
    const giver = await checkpointOf({ machine: new Uint8Array(5_000_000) })
    subject.breakDisk(true)
    await rejects(store.receive({ giver: 1, number: 1 }, giver.seal), 'storage')
    assert.is(store.received(), null)
    subject.breakDisk(false)
    const receiver = await store.receive({ giver: 1, number: 1 }, giver.seal)
    await receiveRest(receiver, giver, 3)
    subject.breakDisk(true)
    await rejects(receiveRest(receiver, giver), 'storage')
    await receiver.discard()
    subject.breakDisk(false)
    assert.is(subject.count(), 0)
    await store.close()
  })
}

export function header(journal: number): CheckpointHeader {
  return { formatVersion: 3, cluster: 'test', id: 1, epoch: 0, journal, executed: [1, 2, 3], beyond: [[], [4], []] }
}

export async function take(store: CheckpointStore, image: Image, of = header(1)): Promise<void> {
  const writer = store.begin(of)
  for (const [name, content] of Object.entries(image)) await writer.append(name, content)
  await writer.finish()
}

async function fill(writer: ReturnType<CheckpointStore['begin']>, size: number): Promise<void> {
  for (let at = 0; at < size; at += 100_000) await writer.append('machine', new Uint8Array(Math.min(100_000, size)))
  await writer.finish()
}

export function imageOf(reader: CheckpointReader): Image {
  return Object.fromEntries(reader.sections.map(({ name }) => [name, join([...reader.chunks(name)])]))
}

function expectLatest(store: CheckpointStore, journal: number, content?: string): void {
  const reader = store.latest()
  assert.is(reader?.header.journal, journal)
  if (content !== undefined) assert.equal(imageOf(reader as CheckpointReader).machine, text(content))
  reader?.close()
}

function randomImage(random: Random): Image {
  const sizes = [0, 10, 1000, 200_000, 1_200_000]
  const names = ['machine', 'sessions', 'core', 'members'].slice(0, random.below(5))
  return Object.fromEntries(names.map((name) => [name, new Uint8Array(random.pick(sizes)).fill(random.below(256))]))
}

function same(image: Image, expected: Image, message: string): void {
  assert.equal(Object.keys(image), Object.keys(expected), message)
  for (const [name, content] of Object.entries(image)) {
    assert.ok(same1(content, expected[name] as Uint8Array), `${name}: ${message}`)
  }
}

function same1(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function bytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256))
}

function join(pieces: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces))
}

export async function rejects(promise: Promise<unknown>, code: string): Promise<void> {
  const outcome = await promise.then(
    () => 'done',
    (error: Error & { code?: string }) => error.code ?? error.message,
  )
  assert.is(outcome, code)
}

export { until }
