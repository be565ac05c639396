import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { foundingMembers, type Membership, membership } from '../../src/protocol/membership.ts'
import { type AnyMessage, MessageType } from '../../src/protocol/messages.ts'
import type { Claim } from '../../src/transport/transport.ts'
import { type Operation, whyWrong } from './client.ts'
import { bytesOf } from './place.ts'
import { type Directory, hex, Watch } from './watch.ts'

/** Every check of the campaign can fail. */
const test = suite('what the campaign of epochs must find')

const ACCEPT_OK = { type: MessageType.acceptOk, epoch: 0, row: 0, slot: 1, ballot: 0 } satisfies AnyMessage
const HEARTBEAT = { type: MessageType.notYet, epoch: 0 } satisfies AnyMessage

class Case {
  readonly found: string[] = []
  readonly watch = new Watch((what) => this.found.push(what))
  readonly directories: readonly Directory[] = [0, 1, 2].map((id) => directoryOf(id))

  constructor() {
    for (const directory of this.directories) this.watch.add(directory)
    this.watch.members('zero', foundingMembers(['a:1', 'b:1', 'c:1']))
  }

  directory(id: number): Directory {
    return this.directories[id] as Directory
  }
}

function directoryOf(id: number): Directory {
  return { incarnation: hex(bytesOf(`${id}`)), founder: id, durableEpoch: 0, epoch: 0 }
}

function epochOf(epoch: number, ids: readonly number[]): Membership {
  const members = ids.map((id) => ({ id, address: `${'abc'[id]}:1`, incarnation: bytesOf(`${id}`) }))
  return membership(epoch, members, { nextId: 3 })
}

function finds(what: string, harmless: (one: Case) => void, wrong: (one: Case) => void): void {
  test(`finds ${what}`, () => {
    const one = new Case()
    harmless(one)
    assert.equal(one.found, [])
    wrong(one)
    assert.is(one.found.length, 1, one.found.join())
  })
}

finds(
  'two lists of members for one epoch',
  ({ watch }) => {
    watch.members('zero', epochOf(1, [0, 1]))
    watch.members('one', epochOf(1, [0, 1]))
    watch.members('one', epochOf(2, [0]))
  },
  ({ watch }) => watch.members('two', epochOf(1, [0, 2])),
)

finds(
  'a vote in a closed epoch',
  (one) => {
    one.watch.sent('zero', one.directory(0), 0, 0, [ACCEPT_OK])
    one.directory(0).durableEpoch = 1
    one.watch.sent('zero', one.directory(0), 0, 1, [ACCEPT_OK])
    one.watch.sent('zero', one.directory(0), 0, 0, [HEARTBEAT])
  },
  (one) => one.watch.sent('zero', one.directory(0), 0, 0, [HEARTBEAT, ACCEPT_OK]),
)

finds(
  'a vote in an epoch that is not durable yet',
  () => {},
  (one) => one.watch.sent('zero', one.directory(0), 0, 1, [ACCEPT_OK]),
)

finds(
  'a vote of somebody who is no member',
  (one) => one.watch.members('zero', epochOf(1, [0, 1])),
  (one) => {
    one.directory(2).durableEpoch = 1
    one.watch.sent('two', one.directory(2), 2, 1, [ACCEPT_OK])
  },
)

finds(
  'two outcomes of one instance',
  ({ watch }) => {
    watch.decided('zero', 0, 1, 1, [0, 2, 0])
    watch.decided('one', 0, 1, 1, [0, 2, 0])
    watch.decided('one', 1, 1, 1, null)
    watch.decided('one', 0, 1, 2, null)
  },
  ({ watch }) => watch.decided('two', 0, 1, 1, null),
)

finds(
  'two states at the end of an epoch',
  ({ watch }) => {
    watch.closed('zero', 0, 'x')
    watch.closed('one', 0, 'x')
    watch.closed('one', 1, 'y')
  },
  ({ watch }) => watch.closed('two', 0, 'y'),
)

finds(
  'a replica that goes back',
  (one) => {
    one.watch.isIn('zero', one.directory(0), 1)
    one.watch.isIn('zero', one.directory(0), 3)
    one.watch.isIn('zero', one.directory(0), 3)
  },
  (one) => one.watch.isIn('zero', one.directory(0), 2),
)

finds(
  'a replica that leaves before a quorum has a checkpoint',
  (one) => {
    one.watch.members('zero', epochOf(1, [0, 1]))
    for (const id of [0, 1]) one.directory(id).durableEpoch = 1
    one.watch.left('two', one.directory(2))
  },
  (one) => {
    one.directory(1).durableEpoch = 0
    one.watch.left('two', one.directory(2))
  },
)

finds(
  'a replica that leaves and is still a member',
  (one) => one.watch.members('zero', epochOf(1, [0, 1, 2])),
  (one) => {
    for (const id of [0, 1]) one.directory(id).durableEpoch = 1
    one.watch.left('two', one.directory(2))
  },
)

function claim(id: number, incarnation: string, number: number, nonce: string): Claim {
  const start = { number, nonce: bytesOf(nonce) }
  return { id, incarnation: bytesOf(incarnation), start } as Claim
}

finds(
  'a copy that is admitted by who knows better',
  ({ watch }) => {
    watch.stranger(bytesOf('copy'))
    watch.admits('zero', 0, claim(1, '1', 2, 'one'))
    watch.admits('two', 0, claim(1, '1', 2, 'copy'))
    watch.admits('zero', 0, claim(1, '1', 3, 'copy'))
  },
  ({ watch }) => watch.admits('zero', 0, claim(1, '1', 2, 'copy')),
)

finds(
  'another directory that is admitted',
  ({ watch }) => watch.stranger(bytesOf('stranger')),
  ({ watch }) => watch.admits('zero', 0, claim(1, 'another', 1, 'stranger')),
)

finds(
  'a change that was reported and is not there',
  ({ watch }) => {
    watch.members('zero', epochOf(1, [0, 1]))
    watch.changed('zero', 0, { kind: 'remove', id: 2 })
    watch.changed('zero', 0, { kind: 'add', address: 'b:1' })
  },
  ({ watch }) => watch.changed('zero', 0, { kind: 'replace', id: 1, address: 'b:1' }),
)

function operation(value: string | null, startMs: number, result: string | null): Operation {
  const endMs = result === null ? Number.POSITIVE_INFINITY : startMs + 1
  return { key: 'a', value, startMs, endMs, result, isOnce: false, refused: false }
}

const ANSWERS: readonly (readonly [string, readonly Operation[], readonly string[]])[] = [
  ['a value that is there twice', [], ['x', 'x']],
  ['an answered value that is not there', [operation('x', 0, '1')], []],
  ['a refused value that is there', [{ ...operation('x', 0, null), refused: true }], ['x']],
  ['a read of what never was', [operation(null, 0, 'y')], ['x']],
  ['a read that misses what was answered', [operation('x', 0, '1'), operation(null, 5, '')], ['x']],
  ['a read that misses what was read', [operation(null, 0, 'x'), operation(null, 5, '')], ['x']],
]

for (const [what, operations, list] of ANSWERS) {
  test(`finds ${what}`, () => {
    assert.is(whyWrong([operation('x', 0, '1'), operation(null, 5, 'x')], new Map([['a', ['x']]])), null)
    assert.is.not(whyWrong(operations, new Map([['a', list]])), null)
  })
}

test.run()
