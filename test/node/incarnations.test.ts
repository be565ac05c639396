import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EARLIER_START_BYTES } from '../../src/codec/limits.ts'
import { Incarnations } from '../../src/node/incarnations.ts'
import { type MemberRecord, RecordType } from '../../src/protocol/records.ts'
import type { Claim } from '../../src/transport/transport.ts'
import { members } from '../support/members.ts'
import { claimOf } from '../transport/observer.ts'

const test = suite('members that are known')

const nonce = (fill: number) => new Uint8Array(16).fill(fill)

/** Replica 0 of three, with a disk that is synced when the test says so. */
class Subject {
  readonly journal: MemberRecord[] = []
  readonly superseded: number[] = []
  heard = 0
  founded = 0
  startNonce = nonce(99)
  incarnations: Incarnations
  #waiting: (() => void)[] = []
  #durable = 0

  readonly origin: string | undefined

  constructor(origin?: string) {
    this.origin = origin
    this.incarnations = this.#make()
  }

  #make(): Incarnations {
    return new Incarnations({
      clusterId: null,
      ...{ id: 0, members: members(3), incarnation: nonce(1), origin: this.origin, nonce: this.startNonce },
      write: (records) => {
        this.journal.push(...records)
        const number = this.journal.length
        return new Promise((resolve) => this.#waiting.push(() => resolve(number)))
      },
      heard: () => this.heard,
      superseded: (peer) => this.superseded.push(peer),
      founded: () => this.founded++,
    })
  }

  async sync(): Promise<void> {
    this.#durable = this.journal.length
    for (const written of this.#waiting.splice(0)) written()
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** The same disk once more. */
  copy(): Subject {
    const copy = new Subject()
    copy.journal.push(...this.journal)
    copy.#durable = this.#durable
    return copy
  }

  restart(): void {
    this.journal.length = this.#durable
    this.#waiting = []
    this.heard = 0
    this.incarnations = this.#make()
    for (const record of this.journal) this.incarnations.restore(record)
    this.incarnations.restored()
  }

  /** The verdict, with all durable at once. */
  async admits(claim: Claim, dialled = false): Promise<string> {
    const verdict = this.incarnations.admit(claim.id, claim, dialled)
    for (let i = 0; i < 3; i++) await this.sync()
    return verdict
  }

  /** Knows 1 and 2, and is founded. */
  async found(): Promise<string> {
    for (const id of [1, 2]) assert.is(await this.admits(claimOf(id, 3), true), 'again')
    const { clusterId } = this.incarnations.standing
    assert.ok(clusterId)
    for (const id of [1, 2]) assert.is(await this.admits(claimOf(id, 3, { clusterId }), true), 'yes')
    assert.is(this.founded, 1)
    return clusterId
  }
}

const startOf = (number: number, fill: number, journal: number) => ({
  start: { number, nonce: nonce(fill) },
  journal,
})

test('nobody is welcomed before its record is durable', async () => {
  const subject = new Subject()
  let verdict = ''
  void subject.incarnations.admit(1, claimOf(1, 3), false).then((what) => {
    verdict = what
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(verdict, '')
  await subject.sync()
  assert.is(verdict, 'yes')
})

test('the cluster has a name when all are durably known, and is founded when all named it', async () => {
  const subject = new Subject()
  const { incarnations } = subject
  assert.equal(incarnations.missing, [1, 2])
  assert.is(await subject.admits(claimOf(1, 3), true), 'again')
  assert.is(incarnations.standing.clusterId, null)
  const second = incarnations.admit(2, claimOf(2, 3), false)
  assert.is(incarnations.standing.clusterId, null, 'the record of 2 is not durable yet')
  await subject.sync()
  assert.is(await second, 'yes')
  const { clusterId } = incarnations.standing
  assert.match(clusterId ?? '', /^[0-9a-f]{32}$/)
  assert.is(await subject.admits(claimOf(1, 3, { clusterId }), false), 'yes')
  assert.equal(incarnations.missing, [1, 2], 'what a dialler names says nothing of its welcome')
  assert.is(await subject.admits(claimOf(1, 3, { clusterId: 'f'.repeat(32) }), true), 'again')
  assert.is(await subject.admits(claimOf(1, 3, { clusterId }), true), 'yes')
  assert.equal([incarnations.missing, subject.founded], [[2], 0])
  assert.is(await subject.admits(claimOf(2, 3, { clusterId }), true), 'yes')
  assert.equal([incarnations.missing, subject.founded, incarnations.standing.founded], [[], 1, true])
})

test('members that begin with the states of different backups have no common name: they are not founded', async () => {
  const names = new Set<string>()
  for (const origin of [undefined, 'a'.repeat(64), 'b'.repeat(64), 'a'.repeat(64)]) {
    names.add(await new Subject(origin).found())
  }
  assert.is(names.size, 3)
  const subject = new Subject('a'.repeat(64))
  for (const id of [1, 2]) await subject.admits(claimOf(id, 3), true)
  const clusterId = await new Subject('b'.repeat(64)).found()
  for (const id of [1, 2]) assert.is(await subject.admits(claimOf(id, 3, { clusterId }), true), 'again')
  assert.is(await subject.admits(claimOf(1, 3, { clusterId, founded: true })), 'foreign')
  assert.is(subject.founded, 0)
})

test('who hears of the founding from one member needs nothing from the others', async () => {
  const subject = new Subject()
  for (const id of [1, 2]) await subject.admits(claimOf(id, 3))
  const { clusterId } = subject.incarnations.standing
  assert.is(await subject.admits(claimOf(1, 3, { clusterId, founded: true })), 'yes')
  assert.is(subject.founded, 1)
  const other = new Subject()
  for (const id of [1, 2]) await other.admits(claimOf(id, 3))
  await other.admits(claimOf(1, 3, { clusterId }), true)
  other.incarnations.spoke(2)
  await other.sync()
  assert.is(other.founded, 0, 'what 2 knows was not named')
  other.incarnations.spoke(1)
  await other.sync()
  assert.is(other.founded, 1)
})

test('all of it survives a restart, and nothing that was not durable', async () => {
  const subject = new Subject()
  const clusterId = await subject.found()
  subject.restart()
  assert.equal([subject.founded, subject.incarnations.standing.clusterId], [2, clusterId])
  assert.is(await subject.admits(claimOf(1, 3, { incarnation: nonce(50) })), 'amnesiac')
  const half = new Subject()
  void half.incarnations.admit(1, claimOf(1, 3), false)
  half.restart()
  assert.is(await half.admits(claimOf(1, 3, { incarnation: nonce(50) })), 'yes')
})

test('each start has a number one above the last, and says where it stands in the journal', async () => {
  const subject = new Subject()
  const first = subject.incarnations.start()
  await subject.sync()
  await first
  assert.equal(subject.incarnations.standing.start, { number: 1, nonce: nonce(99) })
  assert.is(subject.incarnations.standing.journal, 1)
  subject.restart()
  const second = subject.incarnations.start()
  await subject.sync()
  await second
  assert.equal([subject.incarnations.standing.start.number, subject.incarnations.standing.journal], [2, 2])
})

test('another incarnation is refused for ever, and so is a founded one that names another cluster', async () => {
  const subject = new Subject()
  const clusterId = await subject.found()
  for (const dialled of [true, false]) {
    assert.is(await subject.admits(claimOf(1, 3, { incarnation: nonce(50) }), dialled), 'amnesiac')
    assert.is(await subject.admits(claimOf(1, 3, { clusterId: 'f'.repeat(32), founded: true }), dialled), 'foreign')
    const fresh = new Subject()
    assert.is(await fresh.admits(claimOf(1, 3, { clusterId, founded: true }), dialled), 'foreign')
    assert.equal(fresh.journal, [], 'a stranger leaves no trace')
  }
})

test('a later start is admitted and ends the earlier one; an earlier one, and its twin, are refused', async () => {
  const subject = new Subject()
  const clusterId = await subject.found()
  const say = (number: number, fill: number, journal: number) =>
    subject.admits(claimOf(1, 3, { ...startOf(number, fill, journal), clusterId, founded: true }))
  subject.superseded.length = 0
  assert.is(await say(2, 20, 10), 'yes')
  assert.equal(subject.superseded, [1])
  assert.is(await say(2, 20, 10), 'yes', 'the same start links again')
  assert.is(await say(2, 21, 10), 'copy', 'the same number with another nonce')
  assert.is(await say(1, 7, 10), 'copy', 'a lower number')
  assert.is(await say(3, 30, 10), 'copy', 'its start came where another one is in the journal')
  subject.heard = 40
  assert.is(await say(3, 30, 40), 'copy', 'it lacks what was heard of')
  assert.is(await say(3, 30, 41), 'yes')
  assert.equal(subject.superseded, [1, 1])
  subject.restart()
  assert.is(await say(4, 40, 41), 'copy', 'the highest number heard is durable with the start')
  assert.is(await say(4, 40, 42), 'yes')
})

test('of two starts that are being admitted at a time the later one is', async () => {
  const subject = new Subject()
  const clusterId = await subject.found()
  const say = (number: number, fill: number) =>
    subject.incarnations.admit(
      1,
      claimOf(1, 3, { ...startOf(number, fill, 10 * number), clusterId, founded: true }),
      false,
    )
  const [earlier, later] = [say(2, 20), say(3, 30)]
  await subject.sync()
  assert.equal([await earlier, await later], ['copy', 'yes'])
})

test('a start is refused if a later one was heard while the founding was written down', async () => {
  const subject = new Subject()
  for (const id of [1, 2]) await subject.admits(claimOf(id, 3), true)
  const { clusterId } = subject.incarnations.standing
  const welcome = subject.incarnations.admit(1, claimOf(1, 3, { clusterId }), true)
  await new Promise((resolve) => setImmediate(resolve))
  const later = subject.incarnations.admit(1, claimOf(1, 3, { ...startOf(2, 20, 10), clusterId }), false)
  await subject.sync()
  assert.equal([await welcome, await later], ['copy', 'yes'])
})

test('an older copy is refused however often it starts', async () => {
  const [subject, original] = [new Subject(), new Subject()]
  const says = async (one: Subject): Promise<Claim> => {
    one.startNonce = crypto.getRandomValues(new Uint8Array(16))
    one.restart()
    const started = one.incarnations.start()
    await one.sync()
    await started
    return { ...claimOf(1, 3), ...one.incarnations.standing }
  }
  for (let i = 0; i < 3; i++) assert.is(await subject.admits(await says(original)), 'yes')
  const copy = original.copy()
  assert.is(await subject.admits(await says(original)), 'yes')
  for (let i = 0; i < 100; i++) assert.is(await subject.admits(await says(copy)), 'copy', `start ${i} of the copy`)
  for (let i = 0; i < 10; i++) await says(original)
  assert.is(await subject.admits(await says(original)), 'yes', 'a start that comes after some that were not heard of')
  for (let i = 0; i < 1000; i++) await says(original)
  assert.is(await subject.admits(await says(original)), 'yes', 'however many were not heard of')
})

test('the image of a checkpoint restores starts, peers and the founding, also what is being written', async () => {
  const subject = new Subject()
  const clusterId = await subject.found()
  subject.heard = 17
  const image = subject.incarnations.image()
  const restored = new Subject()
  for (const record of image) restored.incarnations.restore(record)
  restored.incarnations.restored()
  const { start, earlier, founded } = restored.incarnations.standing
  assert.equal([start.number, earlier.length, founded], [2, EARLIER_START_BYTES, true])
  assert.is(restored.incarnations.standing.clusterId, clusterId)
  assert.is(await restored.admits({ ...claimOf(1, 3, { clusterId }), ...startOf(2, 7, 17) }), 'copy', 'it had said 17')

  const early = new Subject()
  for (const id of [1, 2]) void early.incarnations.admit(id, claimOf(id, 3), true)
  const waiting = new Subject()
  for (const record of early.incarnations.image()) waiting.incarnations.restore(record)
  waiting.incarnations.restored()
  assert.ok(waiting.incarnations.standing.clusterId, 'PEER was given to the journal')
  assert.equal(waiting.incarnations.missing, [1, 2])
  for (let i = 0; i < 3; i++) await early.sync()
  const named = early.incarnations.standing.clusterId as string
  void early.incarnations.admit(1, claimOf(1, 3, { clusterId: named }), true)
  await new Promise((resolve) => setImmediate(resolve))
  const met = early.incarnations.image().filter(({ type }) => type === RecordType.met)
  assert.is(met.length, 1, 'MET was given to the journal')
})

test('a start that the journal repeats after the checkpoint counts once', () => {
  const subject = new Subject()
  const image = subject.incarnations.image()
  const restored = new Subject()
  for (const record of [...image, ...image]) restored.incarnations.restore(record)
  restored.incarnations.restored()
  assert.equal(restored.incarnations.standing.start.number, 2)
  assert.is(restored.incarnations.standing.earlier.length, EARLIER_START_BYTES)
})

test.run()
