import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { INCARNATION_BYTES, START_NONCE_BYTES } from '../../src/codec/limits.ts'
import type { EpaxosError } from '../../src/errors.ts'
import { encodeGroup } from '../../src/execution/groups.ts'
import { incrementCommand, putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { realClock } from '../../src/node/clock.ts'
import { SILENT } from '../../src/node/logger.ts'
import { Seat } from '../../src/node/seat.ts'
import type { Space } from '../../src/node/space.ts'
import { MemoryDisk } from '../../src/storage/memory.ts'
import { MemoryCheckpoints } from '../../src/storage/memory-checkpoints.ts'
import { MemoryNetwork, MemoryTransport } from '../../src/transport/memory.ts'
import { wasmEngine } from '../support/engine-makers.ts'
import { memberAddress, members } from '../support/members.ts'
import { until } from '../support/until.ts'

const test = suite('checkpoints of a replica')

const LIMITS = { leastBytes: 4000, sliceBytes: 500, sliceMs: 3, bytesPerMs: 1000 }

/** A replica of one, on disks in memory. */
class Subject {
  readonly disk = new MemoryDisk({ schedule: (written) => setImmediate(written) })
  readonly checkpoints = new MemoryCheckpoints({ schedule: (written) => setImmediate(written) })
  readonly logged: string[] = []
  readonly space: Space | null
  member: Seat

  constructor(space: Space | null = null) {
    this.space = space
    this.member = this.#make()
  }

  #make(): Seat {
    const incarnation = new Uint8Array(INCARNATION_BYTES)
    const identity = {
      cluster: 'checkpoints',
      members: members(1),
      id: 0,
      incarnation,
      address: memberAddress(0),
      clientUrl: '',
    }
    const network = new MemoryNetwork({ schedule: (ms, action) => setTimeout(action, ms) })
    const log = (_: object, message: string) => void this.logged.push(message)
    return new Seat({
      startNonce: new Uint8Array(START_NONCE_BYTES),
      ...{ identity, engine: wasmEngine.make(1), machine: new KeyValueStore(), journal: this.disk.open() },
      ...{ checkpoints: this.checkpoints.open(), checkpointLimits: LIMITS },
      ...(this.space !== null && { space: this.space }),
      ...{ transport: new MemoryTransport(network, { identity }), clock: realClock, random: Math.random },
      ...{ logger: { ...SILENT, info: log, error: log }, requestTimeoutMs: 5000, failed: () => {} },
    })
  }

  async start(): Promise<void> {
    await this.member.start()
    await until(() => this.member.notReady === null, 'the member to be ready')
  }

  async restart(): Promise<void> {
    await this.member.close()
    this.member = this.#make()
    await this.start()
  }

  async submit(command: Uint8Array): Promise<void> {
    const outcome = await new Promise((done) => this.member.submit(encodeGroup([command]), (a) => done(a.outcome)))
    assert.is(outcome, 'done')
  }

  /** Writes until so many checkpoints are taken. */
  async take(count: number): Promise<void> {
    for (let i = 0; this.member.numbers.checkpoints < count; i++) {
      await this.submit(putCommand(`key ${i % 50}`, 'x'.repeat(100)))
      await this.submit(incrementCommand('n'))
    }
    await until(() => this.#first > 1, 'the journal to be trimmed')
  }

  get #first(): number {
    for (const { number } of this.disk.durable()) return number
    return 0
  }

  get state(): string {
    return this.member.executor.stateHash()
  }
}

test('a restart needs the last checkpoint and the journal behind it; the journal before it is gone', async () => {
  const subject = new Subject()
  await subject.start()
  await subject.take(3)
  assert.ok(subject.disk.bytes < 4 * LIMITS.leastBytes, `${subject.disk.bytes} bytes of journal`)
  assert.is(subject.checkpoints.count, 1)
  await subject.submit(putCommand('last', 'v'))
  const { state } = subject
  await subject.restart()
  assert.is(subject.state, state)
  assert.ok(subject.logged.includes('restored from a checkpoint'))
  await subject.take(1)
  await subject.restart()
  await subject.member.close()
})

test('a damaged checkpoint is not used: the replica stops with code damaged and says what to do', async () => {
  for (let round = 0; round < 10; round++) {
    const subject = new Subject()
    await subject.start()
    await subject.take(1)
    await subject.member.close()
    let draws = 0
    subject.checkpoints.damage(() => [round / 10, 0.9, 0.5][draws++ % 3] as number)
    const error = (await subject.restart().catch((error) => error)) as EpaxosError
    assert.is(error.code, 'damaged')
    assert.match(error.message, /checkpoint .*damaged.* put back an undamaged disk of this replica/)
  }
})

test('a checkpoint that is gone is damage, where the journal was trimmed', async () => {
  const subject = new Subject()
  await subject.start()
  await subject.take(1)
  await subject.member.close()
  Object.assign(subject, { checkpoints: new MemoryCheckpoints() })
  const error = (await subject.restart().catch((error) => error)) as EpaxosError
  assert.is(error.code, 'damaged')
  assert.match(error.message, /the journal begins with value \d+, and there is no checkpoint/)
})

test('a journal that ends before the checkpoint was taken is damage, an empty one, too', async () => {
  const subject = new Subject()
  await subject.start()
  await subject.take(1)
  await subject.member.close()
  Object.assign(subject, { disk: new MemoryDisk({ schedule: (written) => setImmediate(written) }) })
  const error = (await subject.restart().catch((error) => error)) as EpaxosError
  assert.is(error.code, 'damaged')
  assert.match(error.message, /the journal has the values \d+ to 0, not \d+/)
})

test('a damaged checkpoint is left out where the journal still reaches back to its beginning', async () => {
  const subject = new Subject()
  await subject.start()
  await subject.submit(putCommand('k', 'v'))
  const { state } = subject
  await subject.member.close()
  const whole = subject.disk.copy({ schedule: (written) => setImmediate(written) })
  await subject.restart()
  await subject.take(1)
  await subject.member.close()
  subject.checkpoints.damage(Math.random)
  Object.assign(subject, { disk: whole })
  await subject.restart()
  assert.is(subject.state, state)
  assert.ok(subject.logged.includes('a checkpoint is damaged: it is not used'))
  await subject.member.close()
})

test('none is begun while there is no space for it', async () => {
  let free = LIMITS.leastBytes
  const subject = new Subject({ nearlyFullBytes: 2000, fullBytes: 1000, free: async () => free })
  await subject.start()
  for (let i = 0; i < 100; i++) await subject.submit(putCommand(`key ${i}`, 'x'.repeat(100)))
  assert.is(subject.member.numbers.checkpoints, 0)
  free = 1_000_000
  await subject.take(1)
  await subject.member.close()
})

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: EpaxosError) => error.code,
  )

test('a backup has what was done before it, also while another checkpoint is being written', async () => {
  const subject = new Subject()
  await subject.start()
  const held: string[] = []
  const backups: Promise<void>[] = []
  for (let i = 0; i < 5; i++) {
    await subject.submit(putCommand('k', `value ${i}`))
    const taken = subject.member.backup('').then(({ pieces, close }) => {
      held[i] = Buffer.concat([...pieces]).toString('latin1')
      close()
    })
    backups.push(taken)
  }
  await Promise.all(backups)
  const values = held.map((bytes) => Number(/value (\d)/.exec(bytes)?.[1]))
  assert.ok(
    values.every((value, i) => value >= i),
    `${values}`,
  )
  assert.ok(subject.member.numbers.checkpoints <= 5)
  assert.is(subject.checkpoints.count, 1, 'those that were read are gone')
  await subject.member.close()
})

test('a backup ends with the reason where there is no checkpoint, and one is taken later', async () => {
  let free = 1_000_000
  const subject = new Subject({ nearlyFullBytes: 1, fullBytes: 1, free: async () => free })
  await subject.start()
  free = 100
  await subject.submit(putCommand('k', 'v'))
  await until(() => subject.member.numbers.freeBytes === free, 'the member to see that the disk is full')
  assert.is(await codeOf(subject.member.backup('')), 'disk_full')
  free = 1_000_000
  await until(() => subject.member.numbers.freeBytes === free, 'the member to see that there is space')
  subject.checkpoints.full = true
  assert.is(await codeOf(subject.member.backup('')), 'storage')
  subject.checkpoints.full = false
  assert.is(await codeOf(subject.member.backup('')), 'done')
  const last = codeOf(subject.member.backup(''))
  await subject.member.close()
  assert.ok(['closed', 'not_ready', 'done'].includes(await last))
  assert.is(await codeOf(subject.member.backup('')), 'not_ready')
})

test.run()
