import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeImage, encodeImage } from '../../src/codec/image.ts'
import { EpaxosError } from '../../src/errors.ts'
import { Core } from '../../src/protocol/core.ts'
import { Instance } from '../../src/protocol/instance.ts'
import { Command, MessageType } from '../../src/protocol/messages.ts'
import type { InstanceRecord, JournalRecord } from '../../src/protocol/records.ts'
import { DEFAULT_TIMING } from '../../src/protocol/timing.ts'
import { batch } from '../support/batches.ts'
import { Cluster } from '../support/cluster.ts'
import { type EngineMaker, engineMakers } from '../support/engine-makers.ts'
import { members } from '../support/members.ts'
import { freshSeed, Random } from '../support/random.ts'
import type { TestReplica } from '../support/test-replica.ts'
import { volume } from '../support/volumes.ts'

const test = suite('image of the core')

type Journal = readonly (readonly JournalRecord[])[]

const SLOTS = 40

/** A core of that replica on what is left of it: an image, and the journal behind it. */
function comeBack(id: number, replicas: number, image: Uint8Array[] | null, journal: Journal, { make }: EngineMaker) {
  const engine = make(replicas)
  const core = new Core({
    ...{ id, members: members(replicas), engine, timing: DEFAULT_TIMING, random: () => 0.5, start: 1 },
    readBatch: () => null,
  })
  if (image !== null) for (const part of decodeImage(image, members(replicas))) core.restore(part)
  journal.forEach((records, i) => {
    for (const [index, record] of records.entries()) core.replay(record as InstanceRecord, i + 1, index)
  })
  core.found()
  core.start(journal.length, 1000)
  const { commits } = core.take()
  return { core, engine, commits: commits.map(String) }
}

/** What must be the same wherever it came from. */
function describe(core: Core, row: number, slot: number): string {
  const x = core.instance(row, slot) ?? new Instance(row, slot)
  if (core.executed.has(row, slot)) return `${x} executed ${x.command} [${x.deps}]`
  return `${x} ${x.phase} ${x.ballot} ${x.voteBallot} ${x.command} [${x.initDeps}] [${x.deps}] ${x.batch !== null}`
}

interface Taken {
  readonly id: number
  readonly number: number
  readonly chunks: Uint8Array[]
}

/** A random run with recoveries; images are taken of the replicas on the way, and read some steps later. */
function someRun(seed: number, { make }: EngineMaker): { cluster: Cluster; taken: Taken[] } {
  const random = new Random(seed)
  const replicas = random.pick([1, 3, 5])
  const timing = { retryMs: 5, recoverMs: 5, lazyMs: random.pick([0, 50]) }
  const cluster = new Cluster({ replicas, makeEngine: make, random: random.next, timing, autoSync: random.chance(0.7) })
  const taken: Taken[] = []
  const reading: (() => void)[] = []
  for (let step = 0; step < 200; step++) {
    const replica = cluster.replica(random.below(replicas))
    const choice = random.next()
    if (choice < 0.1) replica.propose(batch(`c${step}`, random.pick(['a', 'b', '?a', '*'])))
    else if (choice < 0.2) {
      cluster.nowMs += 10
      replica.tick()
    } else if (choice < 0.25) replica.sync()
    else if (choice < 0.3) {
      const image = replica.core.image()
      const number = replica.journal.length
      reading.push(() => taken.push({ id: replica.id, number, chunks: [...encodeImage(image)] }))
    } else if (choice < 0.35) reading.shift()?.()
    else if (choice < 0.45) nudge(random, cluster, replica)
    else if (cluster.messages.length > 0) {
      const sent = random.pick(cluster.messages)
      if (random.chance(0.2)) cluster.drop(sent)
      else cluster.deliver(sent)
    }
  }
  for (const read of reading) read()
  return { cluster, taken }
}

/** The replica recovers an instance, unless it coordinates it already. */
function nudge(random: Random, cluster: Cluster, replica: TestReplica): void {
  const row = random.below(cluster.replicas.length)
  const { slot } = cluster.replica(row).core
  const from = (replica.id + 1) % cluster.replicas.length
  if (slot === 0 || from === replica.id) return
  replica.receive(from, { type: MessageType.tryRecover, epoch: 0, row, slot: 1 + random.below(slot) })
}

for (const maker of engineMakers) {
  test(`an image and the journal behind it are worth the whole journal (${maker.kind})`, () => {
    const fresh = freshSeed()
    let executed = 0
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8, fresh, fresh + 1]) {
      const { cluster, taken } = someRun(seed, maker)
      const replicas = cluster.replicas.length
      for (const { id, number, chunks } of taken) {
        const { journal } = cluster.replica(id)
        for (const part of decodeImage(chunks, members(replicas))) {
          if (part.kind === 'executed') assert.ok(part.executed.batchNumber <= number, 'a place that may be given anew')
        }
        for (let length = number; length <= journal.length; length++) {
          const whole = comeBack(id, replicas, null, journal.slice(0, length), maker)
          const behind = journal.slice(0, length).map((records, i) => (i < number ? [] : records))
          const restored = comeBack(id, replicas, chunks, behind, maker)
          const where = `seed ${seed}, replica ${id}, image at ${number}, journal to ${length}`
          assert.ok(restored.core.slot >= whole.core.slot, where)
          for (let row = 0; row < replicas; row++) {
            for (let slot = 1; slot <= SLOTS; slot++) {
              if (restored.core.executed.has(row, slot)) {
                executed++
                continue
              }
              // Records that were not written yet when the image was made are in it, and in the journal behind it.
              if (length > number) {
                assert.is(describe(restored.core, row, slot), describe(whole.core, row, slot), where)
              }
            }
          }
          if (length > number) {
            const open = whole.commits.filter(
              (id) => !restored.core.executed.has(...(id.split('.').map(Number) as [number, number])),
            )
            assert.equal([...new Set(restored.commits)].sort(), open.sort(), where)
          }
          const probe = batch('probe', '*').footprint
          const none = new Array(replicas).fill(0)
          const index = restored.engine.conflicts(0, 2 ** 40, probe, none)
          const expected = whole.engine.conflicts(0, 2 ** 40, probe, none)
          const { dropped } = restored.core
          for (const { row, slot } of expected) {
            const isIndexed = index.some((x) => x.row === row && x.slot === slot)
            assert.ok(isIndexed || slot <= (dropped[row] as number), where)
          }
          volume('images restored', 1)
        }
      }
    }
    assert.ok(executed > 300, `${executed} instances came back executed`)
  })

  test(`replicas that restart from checkpoints, with the journal before them gone, go on (${maker.kind})`, () => {
    const random = new Random(5)
    const cluster = new Cluster({ replicas: 3, makeEngine: maker.make, random: random.next })
    for (let round = 0; round < 20; round++) {
      for (const replica of cluster.replicas) replica.propose(batch(`${replica.id}:${round}`, 'a'))
      const end = cluster.nowMs + 300
      const replica = cluster.replica(round % 3)
      if (round % 2 === 0) cluster.run(() => cluster.nowMs >= end, 1000)
      const checkpoint = replica.checkpoint()
      cluster.run(() => cluster.nowMs >= end, 1000)
      checkpoint.write()
      replica.trim()
      cluster.crash(replica.id)
      cluster.restart(replica.id)
    }
    cluster.run(() => cluster.replicas.every(({ executed }) => executed.length === 60), 10_000)
    cluster.check()
  })
}

for (const maker of engineMakers) {
  test(`a batch stays in every checkpoint while a member may ask for it, in a journal or not (${maker.kind})`, () => {
    const cluster = new Cluster({ replicas: 3, makeEngine: maker.make })
    const replica = cluster.replica(1)
    const restart = () => {
      replica.checkpoint().write()
      replica.trim()
      cluster.crash(1)
      cluster.restart(1)
    }
    // Open in the first checkpoint, because 0.1 is missing, and executed in the second one.
    const commit = { type: MessageType.commit, epoch: 0, row: 0, ballot: 0 } as const
    const [command, deps] = [Command.batch, [1, 0, 0]]
    replica.receive(0, { ...commit, slot: 2, command, deps, batch: batch('γ', 'a') })
    restart()
    replica.receive(0, { ...commit, slot: 1, command: Command.noop, deps: [0, 0, 0], batch: null })
    assert.equal(replica.executed, ['γ'])
    for (let i = 0; i < 2; i++) {
      restart()
      cluster.messages = []
      replica.receive(2, { type: MessageType.ask, epoch: 0, row: 0, slot: 2, count: 1 })
      const [answer] = cluster.find({ from: 1, to: 2, type: MessageType.commit })
      assert.ok(answer?.message.type === MessageType.commit)
      assert.equal(answer.message.batch, batch('γ', 'a'))
    }
  })
}

test('a batch that was accepted once, and then as a no-op, stays in the index', () => {
  const [maker] = engineMakers
  const cluster = new Cluster({ replicas: 5, makeEngine: (maker as EngineMaker).make })
  const replica = cluster.replica(1)
  const none = [0, 0, 0, 0, 0]
  const about = { type: MessageType.accept, epoch: 0, row: 0, slot: 1, deps: none } as const
  replica.receive(2, { ...about, ballot: 3, command: Command.batch, batch: batch('γ', 'a') })
  replica.receive(3, { ...about, ballot: 4, command: Command.noop, batch: null })
  const chunks = [...encodeImage(replica.core.image())]
  const { core, engine } = comeBack(1, 5, chunks, [], maker as EngineMaker)
  assert.is(describe(core, 0, 1), describe(replica.core, 0, 1))
  assert.equal(engine.conflicts(1, 1, batch('δ', 'a').footprint, none), [{ row: 0, slot: 1 }])
})

test('an image that is cut off, or not of this number of replicas, is damaged', () => {
  const [maker] = engineMakers
  const { taken } = someRun(3, maker as EngineMaker)
  const [{ chunks } = { chunks: [] }] = taken
  const bytes = Buffer.concat(chunks)
  const isDamaged = (error: Error) => error instanceof EpaxosError && error.code === 'damaged'
  const read = (image: Uint8Array, replicas: number) => () => [...decodeImage([image], members(replicas))]
  const replicas = bytes.readUInt32LE(8)
  read(bytes, replicas)()
  assert.throws(read(bytes, replicas + 1), isDamaged)
  for (let length = 0; length < bytes.length; length += 7) {
    assert.throws(read(bytes.subarray(0, length), replicas), isDamaged)
  }
  assert.throws(read(Buffer.concat([bytes, Buffer.alloc(1)]), replicas), isDamaged)
})

test.run()
