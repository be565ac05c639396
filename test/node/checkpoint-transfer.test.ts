import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CheckpointFetcher } from '../../src/node/checkpoint-fetcher.ts'
import { CheckpointGiver, executedBy } from '../../src/node/checkpoint-giver.ts'
import { SILENT } from '../../src/node/logger.ts'
import { type CheckpointMessage, MessageType } from '../../src/protocol/messages.ts'
import { contains, type Executed, plus, runsOf } from '../../src/protocol/runs.ts'
import type { CheckpointReader, CheckpointStore } from '../../src/storage/checkpoints.ts'
import { MemoryCheckpoints } from '../../src/storage/memory-checkpoints.ts'
import { header, type Image, imageOf, take } from '../storage/checkpoint-compliance.ts'
import { nextTurn, text } from '../storage/compliance.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'

const test = suite('a checkpoint from one replica to another')

const POLL_MS = 25

/** What has executed at a giver when it takes its n-th checkpoint. */
const executedAt = (n: number) => ({ executed: [10 * n, 5 * n, n], beyond: [[10 * n + 3], [], []] })

function imageAt(n: number, size = 900_000): Image {
  return { machine: new Uint8Array(size + n).fill(n), sessions: text(`sessions ${n}`) }
}

class Giver {
  readonly disk = new MemoryCheckpoints({ schedule: (written) => setImmediate(written) })
  store: CheckpointStore
  giver: CheckpointGiver
  taken = 0
  wanted = 0
  readonly #world: World
  readonly #row: number

  constructor(world: World, row: number) {
    this.#world = world
    this.#row = row
    this.store = this.disk.open()
    this.giver = this.#make()
  }

  async take(size?: number): Promise<void> {
    this.taken++
    await take(this.store, imageAt(this.taken, size), { ...header(this.taken), ...executedAt(this.taken) })
  }

  restart(): void {
    this.disk.crash()
    this.store = this.disk.open()
    this.giver = this.#make()
  }

  #make(): CheckpointGiver {
    return new CheckpointGiver({
      store: this.store,
      epoch: 0,
      logger: SILENT,
      send: (row, message) => this.#world.send(this.#row, row, message),
      unsentBytes: () => this.#world.unsentBytes(this.#row),
      arm: () => {},
      wanted: () => {
        this.wanted++
      },
    })
  }
}

/** Replica 0 fetches from the others. */
class World {
  readonly givers: Giver[] = [new Giver(this, 1), new Giver(this, 2)]
  readonly disk = new MemoryCheckpoints({ schedule: (written) => setImmediate(written) })
  store: CheckpointStore
  fetcher: CheckpointFetcher
  nowMs = 0
  behind = true
  /** The givers that are up. */
  up: readonly number[] = [1, 2]
  lacking = { row: 0, slot: 1 }
  executed: Executed = { prefix: [0, 0, 0], runs: [] }
  installed: Image | null = null
  mostUnsent = 0
  /** The probability that a message is lost. */
  loss = 0
  /** Bytes that the links of the givers take in a step. */
  linkBytes = Number.POSITIVE_INFINITY
  readonly #random: Random
  #inFlight: { from: number; to: number; message: CheckpointMessage; left: number }[] = []

  constructor(random = new Random(1)) {
    this.#random = random
    this.store = this.disk.open()
    this.fetcher = this.#make()
  }

  get messages(): readonly CheckpointMessage[] {
    return this.#inFlight.map(({ message }) => message)
  }

  send(from: number, to: number, message: CheckpointMessage): void {
    const left = message.type === MessageType.checkpointChunk ? message.bytes.length : 100
    if (!this.#random.chance(this.loss)) this.#inFlight.push({ from, to, message, left })
    this.mostUnsent = Math.max(this.mostUnsent, this.unsentBytes(from))
  }

  unsentBytes(row: number): number {
    return this.#inFlight.reduce((sum, { from, left }) => sum + (from === row ? left : 0), 0)
  }

  /** kill -9 of the one that fetches. */
  kill(): void {
    this.disk.crash()
    this.store = this.disk.open()
    this.fetcher = this.#make()
  }

  async step(): Promise<void> {
    this.nowMs += POLL_MS
    this.fetcher.poll(this.nowMs)
    for (const { giver } of this.givers) {
      giver.poll(this.nowMs)
      giver.background()
    }
    const inFlight = this.#inFlight
    this.#inFlight = []
    let room = this.linkBytes
    for (const item of inFlight) {
      const sent = Math.min(room, item.left)
      item.left -= sent
      room -= sent
      if (item.left > 0) this.#inFlight.push(item)
      else this.#deliver(item)
    }
    for (let turn = 0; turn < 4; turn++) await nextTurn()
  }

  async until(condition: () => boolean, steps = 4000): Promise<void> {
    for (let step = 0; !condition(); step++) {
      if (step === steps) assert.unreachable(`not in ${steps} steps: ${condition}`)
      await this.step()
    }
  }

  #deliver({ from, to, message }: { from: number; to: number; message: CheckpointMessage }): void {
    if (message.type === MessageType.checkpointAsk)
      this.givers[to - 1]?.giver.receive(from, message, plus(message.executed, message.lacking), this.nowMs)
    else this.fetcher.receive(from, message)
  }

  #make(): CheckpointFetcher {
    return new CheckpointFetcher({
      store: this.store,
      epoch: 0,
      logger: SILENT,
      send: (row, message) => this.send(0, row, message),
      behind: () => this.behind,
      givers: () => this.up,
      needed: () => ({ lacking: this.lacking, executed: this.executed }),
      isUseful: (header) => contains(executedBy(header), plus(this.executed, this.lacking)),
      hasSpace: () => true,
      still: () => true,
      hold: () => {},
      settled: () => nextTurn(),
      idOf: (row) => row + 100,
      install: (reader) => this.#install(reader),
      failed: (error) => assert.unreachable(error.stack),
    })
  }

  async #install(reader: CheckpointReader): Promise<void> {
    assert.ok(contains(executedBy(reader.header), this.executed), 'what has executed here is in it')
    this.installed = imageOf(reader)
    this.executed = executedBy(reader.header)
    this.behind = false
    await nextTurn()
  }
}

function expectInstalled(world: World): void {
  const n = (world.installed?.machine?.[0] ?? 0) as number
  assert.equal(world.installed, imageAt(n))
}

test('it arrives whole, with progress, and nothing of it stays on the disk', async () => {
  const world = new World()
  await world.givers[0]?.take()
  assert.is(world.fetcher.progress, null)
  const progress: number[] = []
  await world.until(() => {
    const { receivedBytes, bytes } = world.fetcher.progress ?? { receivedBytes: 0, bytes: 0 }
    if (bytes > 0) progress.push(receivedBytes / bytes)
    return world.installed !== null && !world.fetcher.active
  })
  expectInstalled(world)
  assert.ok(progress.length > 3 && progress.every((share, i) => share >= (progress[i - 1] ?? 0)), `${progress}`)
  assert.is(world.disk.count, 0)
  assert.is(world.fetcher.installed, 1)
  assert.ok((world.givers[0]?.giver.givenBytes ?? 0) > 900_000)
})

test('a slow link keeps a chunk or two at the giver, whatever was asked for', async () => {
  const world = new World()
  await world.givers[0]?.take()
  world.linkBytes = 10_000
  await world.until(() => world.installed !== null)
  expectInstalled(world)
  assert.ok(world.mostUnsent < 300_000, `${world.mostUnsent} bytes`)
})

test('a checkpoint that lacks what the asker has executed is not given, and a newer one is wanted', async () => {
  const world = new World()
  world.executed = { prefix: [12, 5, 1], runs: [{ row: 0, first: 20, count: 4 }] }
  for (const giver of world.givers) await giver.take()
  for (let step = 0; step < 200; step++) await world.step()
  assert.is(world.installed, null)
  assert.ok(
    world.givers.every(({ wanted, giver }) => wanted > 0 && giver.notYet > 0),
    'both were asked',
  )
  await world.givers[1]?.take()
  await world.givers[1]?.take()
  await world.until(() => world.installed !== null)
  assert.is(world.installed?.machine?.[0], 3)
})

test('a checkpoint without what the asker lacks is not given either', async () => {
  const world = new World()
  world.lacking = { row: 0, slot: 15 }
  for (const giver of world.givers) await giver.take()
  for (let step = 0; step < 200; step++) await world.step()
  assert.is(world.installed, null)
  assert.ok(world.givers.every(({ wanted }) => wanted > 0))
  await world.givers[0]?.take()
  await world.until(() => world.installed !== null)
  assert.is(world.installed?.machine?.[0], 2)
})

test('what has arrived is used after a kill, also when the giver has a newer one by then', async () => {
  const world = new World()
  const size = 8_000_000
  for (const giver of world.givers) await giver.take(size)
  world.linkBytes = 200_000
  await world.until(() => (world.fetcher.progress?.receivedBytes ?? 0) > 0.7 * size)
  const given = () => world.givers.reduce((sum, { giver }) => sum + giver.givenBytes, 0)
  const before = given()
  for (const giver of world.givers) await giver.take(size)
  world.kill()
  await world.until(() => world.installed !== null)
  assert.is(world.installed?.machine?.[0], 1, 'the one that had begun')
  assert.ok(given() - before < 0.6 * size, `${given() - before} bytes were given again`)
})

test('a giver that cannot read its checkpoint is passed over, and damage here is fetched again', async () => {
  const world = new World()
  const random = new Random(3)
  for (const giver of world.givers) await giver.take()
  for (let i = 0; i < 40; i++) world.givers[0]?.disk.damage(random.next)
  let damaged = false
  await world.until(() => {
    const { receivedBytes = 0 } = world.fetcher.progress ?? {}
    if (receivedBytes > 0 && !damaged) damaged = world.disk.damageReceived(random.next)
    return world.installed !== null
  })
  assert.ok(damaged)
  expectInstalled(world)
})

test('whatever is lost, killed, restarted or taken meanwhile: it ends with a checkpoint that has all', async () => {
  const seed = freshSeed()
  const random = new Random(seed)
  let kills = 0
  for (let round = 0; round < 12; round++) {
    const world = new World(random)
    world.loss = random.pick([0, 0.05, 0.3])
    world.linkBytes = random.pick([Number.POSITIVE_INFINITY, 200_000, 30_000])
    const lead = random.below(3)
    world.executed = { prefix: executedAt(lead).executed, runs: runsOf(0, executedAt(lead).beyond[0] as number[]) }
    for (let step = 0; step < 400 && world.installed === null; step++) {
      await world.step()
      if (random.chance(0.02)) await random.pick(world.givers).take()
      if (random.chance(0.02)) random.pick(world.givers).restart()
      if (random.chance(0.03)) {
        kills++
        world.kill()
      }
    }
    world.loss = 0
    for (let taken = 0; taken <= lead; taken++) for (const giver of world.givers) await giver.take()
    await world.until(() => world.installed !== null)
    expectInstalled(world)
  }
  volume('kills in the middle of a fetched checkpoint', kills)
})

test('a chunk of another checkpoint is none of this one', async () => {
  const world = new World()
  await world.givers[0]?.take()
  world.linkBytes = 20_000
  await world.until(() => (world.fetcher.progress?.receivedBytes ?? 0) > 0)
  for (let chunk = 1; chunk < 9; chunk++) {
    const bytes = new Uint8Array(100)
    world.fetcher.receive(1, { type: MessageType.checkpointChunk, epoch: 0, number: 77, chunk, bytes })
    world.fetcher.receive(2, { type: MessageType.checkpointChunk, epoch: 0, number: 1, chunk, bytes })
    world.fetcher.receive(1, { type: MessageType.checkpointChunk, epoch: 1, number: 1, chunk, bytes })
  }
  await world.until(() => world.installed !== null)
  expectInstalled(world)
})

test('a seal that comes twice, or late, does not begin anew', async () => {
  const world = new World()
  const [giver] = world.givers as [Giver, Giver]
  await giver.take()
  await giver.take()
  const seal = (giver.store.latest() as CheckpointReader).seal
  world.linkBytes = 20_000
  let most = 0
  await world.until(() => {
    const { receivedBytes = 0 } = world.fetcher.progress ?? {}
    if (world.installed === null) assert.ok(receivedBytes >= most, `${receivedBytes} after ${most} bytes`)
    most = receivedBytes
    for (const number of [1, 2]) {
      world.fetcher.receive(1, { type: MessageType.checkpointChunk, epoch: 0, number, chunk: 0, bytes: seal })
    }
    return world.installed !== null
  })
  assert.is(world.installed?.machine?.[0], 2)
})

test('one that arrived before a restart is not installed if more has executed here since', async () => {
  const world = new World()
  for (const giver of world.givers) await giver.take()
  await world.until(() => (world.fetcher.progress?.receivedBytes ?? 0) > 800_000)
  world.executed = { prefix: [12, 5, 1], runs: [] }
  world.kill()
  for (let step = 0; step < 100; step++) await world.step()
  assert.is(world.installed, null)
  for (const giver of world.givers) await giver.take()
  await world.until(() => world.installed !== null)
  assert.is(world.installed?.machine?.[0], 2)
})

test('a giver keeps two checkpoints for their askers at most, and for a time only', async () => {
  const world = new World()
  const [giver] = world.givers as [Giver, Giver]
  const needed = { lacking: world.lacking, executed: world.executed }
  const ask = { type: MessageType.checkpointAsk, epoch: 0, ...needed, number: 0, chunk: 0, count: 1 }
  for (let row = 1; row <= 5; row++) {
    await giver.take()
    giver.giver.receive(row, ask, plus(needed.executed, needed.lacking), 0)
    for (let turn = 0; turn < 5; turn++) await nextTurn()
    assert.ok(giver.disk.count <= 2, `${giver.disk.count} checkpoints after ${row} askers`)
  }
  await giver.take()
  await giver.take()
  giver.giver.poll(60_000)
  for (let turn = 0; turn < 5; turn++) await nextTurn()
  assert.is(giver.disk.count, 1)
})

test('it ends without one when the replica is not behind any more', async () => {
  const world = new World()
  await world.givers[0]?.take()
  world.linkBytes = 20_000
  await world.until(() => (world.fetcher.progress?.receivedBytes ?? 0) > 0)
  world.behind = false
  await world.until(() => !world.fetcher.active)
  for (let step = 0; step < 5; step++) await world.step()
  assert.is(world.disk.count, 0)
  assert.is(world.installed, null)
})

test('what has arrived is used, although its giver is gone when the last chunk comes', async () => {
  const world = new World()
  await world.givers[0]?.take(8_000_000)
  world.linkBytes = 400_000
  world.up = [1]
  await world.until(() => (world.fetcher.progress?.receivedBytes ?? 0) > 7_999_000)
  world.up = []
  await world.until(() => world.installed !== null, 100)
  assert.equal(world.installed, imageAt(1, 8_000_000))
})

test.run()
