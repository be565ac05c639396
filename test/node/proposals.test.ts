import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpaxosError } from '../../src/errors.ts'
import { fromLatin1 } from '../../src/execution/bytes.ts'
import { encodeGroup, encodeOpen, type GroupOptions, GroupReader } from '../../src/execution/groups.ts'
import { ResultWriter, Status } from '../../src/execution/results.ts'
import { putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { Proposals } from '../../src/node/proposals.ts'
import type { Answer } from '../../src/node/requests.ts'
import { Instance } from '../../src/protocol/instance.ts'
import type { Batch } from '../../src/protocol/messages.ts'

const test = suite('proposals of clients')

const WINDOW = 16
const TIMEOUT_MS = 1000

class Client {
  readonly answers: string[] = []
  slot = 0
  last: Batch | null = null
  /** Words of the footprints of what was proposed. */
  #words: number[] = []
  readonly proposals = new Proposals({
    core: {
      founded: true,
      propose: (batch: Batch) => {
        this.#words.push(batch.footprint.length)
        this.last = batch
        return new Instance(2, ++this.slot)
      },
    },
    machine: new KeyValueStore(),
    window: WINDOW,
    requestTimeoutMs: TIMEOUT_MS,
    isKnown: () => true,
    place: () => ({ row: 2, slot: 2 ** 40 + 7, epoch: 0, clusterId: 'a1b2c3d4e5f60718293a4b5c6d7e8f90' }),
  })

  submit(keys: readonly string[], session?: GroupOptions, nowMs = 0): void {
    const group = encodeGroup(
      keys.map((key) => putCommand(key, 'v')),
      session,
    )
    this.proposals.submit(group, nowMs, (answer: Answer) => this.answers.push(answer.outcome))
  }

  /** Words of the footprints of all that can be proposed, which is proposed. */
  propose(nowMs = 0): number[] {
    this.#words = []
    this.proposals.turn(nowMs)
    return this.#words
  }
}

const FIRST: GroupOptions = { session: 's', first: 1, acknowledged: 0 }

function resultsOf(groups: number): Uint8Array {
  const results = new ResultWriter()
  for (let group = 0; group < groups; group++) {
    results.beginGroup()
    results.add(Status.applied, new Uint8Array(1))
    results.endGroup()
  }
  return results.take()
}

test('a request that is repeated while it runs joins it, and leaves none of its keys to the next batch', () => {
  const client = new Client()
  const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`)
  client.submit(keys, FIRST)
  assert.equal(client.propose(), [1 + 2 * 1001])
  for (let retry = 0; retry < 3; retry++) client.submit(keys, FIRST)
  client.submit(['a'])
  assert.equal(client.propose(), [1 + 2 * 1])
})

test('one that is repeated after it was called unknown joins it as well, and is answered when it has executed', () => {
  const client = new Client()
  client.submit(['a'], FIRST)
  client.propose()
  client.proposals.poll(1000)
  assert.equal(client.answers, ['unknown'])
  client.submit(['a'], FIRST, 2000)
  assert.equal(client.propose(), [])
  client.proposals.poll(2999)
  assert.equal(client.answers, ['unknown'])
  client.proposals.executed(1, resultsOf(1), 0)
  assert.equal(client.answers, ['unknown', 'done'])
  client.submit(['a'], FIRST, 2000)
  assert.is(client.propose(2000).length, 1)
})

test('what waits is counted, and given up, once', () => {
  const client = new Client()
  client.submit(['a'])
  client.submit(['b'])
  assert.is(client.proposals.waiting, 2)
  client.propose()
  client.proposals.abandon('closed', 'closed')
  assert.is(client.proposals.waiting, 0)
  client.proposals.executed(1, resultsOf(2), 0)
  assert.equal(client.answers, ['unknown', 'unknown'])
})

test('while only reads are taken, an update is refused and leaves nothing behind, unless it runs already', () => {
  const client = new Client()
  client.submit(['running'], FIRST)
  client.propose()
  client.proposals.onlyReads = true
  assert.throws(
    () => client.submit(['a']),
    (error: Error) => error instanceof EpaxosError && error.code === 'disk_full',
  )
  client.submit(['running'], FIRST)
  client.proposals.executed(1, resultsOf(1), 0)
  assert.equal(client.answers, ['done', 'done'])
  client.proposals.onlyReads = false
  client.submit(['b'])
  assert.equal(client.propose(), [1 + 2 * 1])
})

test('each opening of a session gets a name of its own from row, slot, how many there were, and cluster', () => {
  const client = new Client()
  const names: string[] = []
  for (let i = 0; i < 3; i++) client.proposals.submit(encodeOpen(), 0, () => {})
  client.propose()
  const { commands } = client.last as Batch
  const reader = new GroupReader()
  for (let at = 0; at < commands.length; at = reader.end) {
    reader.open(commands, at)
    names.push(Buffer.from(fromLatin1(reader.session())).toString('hex'))
  }
  const slot = '000107000000'
  assert.equal(
    names,
    ['00000000', '01000000', '02000000'].map((count) => `0002${slot}${count}00000000a1b2c3d4e5f60718`),
  )
})

const isBusy = (error: Error) => error instanceof EpaxosError && error.code === 'busy'

/** A client whose window is full, so that what it submits waits. */
function stalled(): Client {
  const client = new Client()
  for (let i = 0; i < WINDOW; i++) {
    client.submit([`first ${i}`])
    client.propose()
  }
  return client
}

test('while the oldest command has waited for long, new ones are refused, and repetitions join the first', () => {
  const client = stalled()
  client.submit(['old'], FIRST, 0)
  client.propose()
  client.submit(['young'], undefined, TIMEOUT_MS / 4)
  assert.throws(() => client.submit(['late'], undefined, TIMEOUT_MS / 4 + 1), isBusy)
  client.submit(['old'], FIRST, TIMEOUT_MS / 4 + 1)
  client.proposals.executed(1, resultsOf(1), 0)
  client.proposals.executed(2, resultsOf(1), 0)
  assert.is(client.propose(TIMEOUT_MS / 4 + 1).length, 2)
  client.submit(['late'], undefined, TIMEOUT_MS / 4 + 1)
})

test('what arrives in one long turn has not waited', () => {
  const client = new Client()
  client.submit(['a'], undefined, 0)
  client.submit(['b'], undefined, 2 * TIMEOUT_MS)
  assert.equal(client.propose(4 * TIMEOUT_MS), [1 + 2 * 2])
  assert.equal(client.answers, [])
})

test('what has waited for too long is refused and never proposed; what was proposed before is neither', () => {
  const client = stalled()
  client.submit(['a'], FIRST, 0)
  client.propose()
  client.submit(['b'], undefined, TIMEOUT_MS / 4)
  client.propose(TIMEOUT_MS / 4)
  client.proposals.rejected(1)
  client.proposals.poll(TIMEOUT_MS / 2 + 1)
  assert.equal(client.answers, ['refused'])
  client.proposals.poll(TIMEOUT_MS)
  assert.equal(client.answers.slice(0, 2), ['refused', 'refused'], 'b waited, too')
  client.submit(['a'], FIRST, TIMEOUT_MS)
  assert.equal(new Set(client.answers.slice(2)), new Set(['unknown']), 'the rest was proposed')
  assert.is(client.answers.length, 2 + WINDOW)
  for (let slot = 2; slot <= WINDOW; slot++) client.proposals.executed(slot, resultsOf(1), TIMEOUT_MS)
  assert.is(client.propose(TIMEOUT_MS).length, 2, 'what became a no-op, and the repetition of a')
})

test.run()
