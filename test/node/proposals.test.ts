import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpaxosError } from '../../src/errors.ts'
import { fromLatin1 } from '../../src/execution/bytes.ts'
import { encodeGroup, encodeOpen, type GroupOptions, GroupReader } from '../../src/execution/groups.ts'
import { ResultWriter, Status } from '../../src/execution/results.ts'
import { putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { type Answer, Proposals } from '../../src/node/proposals.ts'
import type { Batch } from '../../src/protocol/messages.ts'

const test = suite('proposals of clients')

const WINDOW = 16

class Client {
  readonly proposals = new Proposals(new KeyValueStore(), WINDOW, () => ({ row: 2, slot: 2 ** 40 + 7, epoch: 0 }))
  readonly answers: string[] = []
  slot = 0

  submit(keys: readonly string[], session?: GroupOptions, deadlineMs = 1000): void {
    const group = encodeGroup(
      keys.map((key) => putCommand(key, 'v')),
      session,
    )
    this.proposals.submit(group, deadlineMs, (answer: Answer) => this.answers.push(answer.outcome))
  }

  /** Words of the footprints of all that can be proposed, which is proposed. */
  propose(): number[] {
    const words: number[] = []
    for (let batch = this.proposals.next(); batch !== null; batch = this.proposals.next()) {
      words.push(batch.footprint.length)
      this.proposals.proposed(++this.slot)
    }
    return words
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
  client.proposals.expire(1000)
  assert.equal(client.answers, ['unknown'])
  client.submit(['a'], FIRST, 3000)
  assert.equal(client.propose(), [])
  client.proposals.expire(2000)
  assert.equal(client.answers, ['unknown'])
  client.proposals.executed(1, resultsOf(1))
  assert.equal(client.answers, ['unknown', 'done'])
  client.submit(['a'], FIRST, 3000)
  assert.is(client.propose().length, 1)
})

test('what waits is counted, and given up, once', () => {
  const client = new Client()
  client.submit(['a'])
  client.submit(['b'])
  assert.is(client.proposals.waiting, 2)
  client.propose()
  client.proposals.abandon('closed', 'closed')
  assert.is(client.proposals.waiting, 0)
  client.proposals.executed(1, resultsOf(2))
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
  client.proposals.executed(1, resultsOf(1))
  assert.equal(client.answers, ['done', 'done'])
  client.proposals.onlyReads = false
  client.submit(['b'])
  assert.equal(client.propose(), [1 + 2 * 1])
})

test('each opening of a session gets a name of its own from the row, the slot, and how many there were', () => {
  const { proposals } = new Client()
  const names: string[] = []
  for (let i = 0; i < 3; i++) proposals.submit(encodeOpen(), 1000, () => {})
  const { commands } = proposals.next() as Batch
  const reader = new GroupReader()
  for (let at = 0; at < commands.length; at = reader.end) {
    reader.open(commands, at)
    names.push(Buffer.from(fromLatin1(reader.session())).toString('hex'))
  }
  const slot = '000107000000'
  assert.equal(
    names,
    ['00000000', '01000000', '02000000'].map((count) => `0002${slot}${count}00000000`),
  )
})

test.run()
