import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Executor } from '../../src/execution/executor.ts'
import { encodeGroup } from '../../src/execution/groups.ts'
import type { ResultBuffer } from '../../src/execution/result-buffer.ts'
import { deleteCommand, getCommand, incrementCommand, putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { PrintingMachine } from '../../src/machine/printing.ts'
import { ExecutedSet } from '../../src/protocol/executed.ts'
import { checkedKeyValueStore } from '../support/checked-machine.ts'
import { batchOf, type Group, orderOfCommits, Replica } from './support.ts'

const test = suite('executor')

const increment = incrementCommand('n')
const get = getCommand('n')

function inSession(session: string, first: number, commands: readonly Uint8Array[], acknowledged = 0): Group {
  return { commands, options: { session, first, acknowledged } }
}

test('an instance of the own row gives the results of its groups in order, one of another row gives none', () => {
  const replica = new Replica()
  const groups: Group[] = [{ commands: [increment, get] }, { commands: [] }, inSession('s', 1, [increment])]
  assert.equal(replica.run(...groups), [['applied 01', 'applied 01'], [], ['applied 02']])
  assert.is(replica.execute(batchOf(replica.machine, groups), 1), null)
  assert.equal(replica.run({ commands: [get] }), [['applied 03']])
  assert.equal(replica.executor.counts, { instances: 3, commands: 7, noops: 0, cycles: 0, voidBatches: 0 })
})

test('a no-op gives no results, and execution goes on past it (scenario 10)', () => {
  const replica = new Replica()
  replica.run({ commands: [increment] })
  assert.is(replica.execute(null), null)
  assert.equal(replica.run({ commands: [increment] }), [['applied 02']])
  assert.equal(replica.executor.executed.vector, [3, 0])
  assert.is(replica.executor.counts.noops, 1)
})

test('a commit that comes again after execution never executes again (scenario 9)', () => {
  const replica = new Replica()
  replica.run({ commands: [increment] })
  replica.executor.commit(0, 1, [0, 0])
  assert.is(replica.executor.run(), 0)
  assert.equal(replica.executed, ['0.1'])
  assert.equal(replica.run({ commands: [get] }), [['applied 01']])
})

test('an engine that gives an instance twice is caught', () => {
  const engine = orderOfCommits(2)
  const set = new ExecutedSet(2)
  const executor = new Executor({
    engine,
    executed: set,
    machine: new KeyValueStore(),
    ownRow: 0,
    batchOf: () => null,
    onExecuted: (row, slot) => set.add(row, slot),
  })
  engine.commit(0, 1, null)
  engine.commit(0, 1, null)
  assert.throws(() => executor.run(), /0\.1 executes once/)
  assert.throws(() => executor.run(), /does not go on/)
})

test('slots behind a gap are executed beyond the prefix, until the gap closes', () => {
  const executed: string[] = []
  const engine = orderOfCommits(3)
  const set = new ExecutedSet(3)
  const executor = new Executor({
    engine,
    executed: set,
    machine: new KeyValueStore(),
    ownRow: 0,
    batchOf: () => null,
    onExecuted: (row, slot) => {
      set.add(row, slot)
      executed.push(`${row}.${slot}`)
    },
  })
  for (const slot of [3, 5, 2]) executor.commit(2, slot, null)
  executor.run()
  assert.equal(executor.executed.vector, [0, 0, 0])
  assert.equal(executor.executed.beyond(2), [2, 3, 5])
  executor.commit(2, 1, null)
  executor.run()
  assert.equal(executor.executed.vector, [0, 0, 3])
  assert.equal(executor.executed.beyond(2), [5])
  executor.commit(2, 4, null)
  executor.run()
  assert.equal(executor.executed.vector, [0, 0, 5])
  assert.equal(executed, ['2.3', '2.5', '2.2', '2.1', '2.4'])
})

test('commits may come while instances are executed, running again may not', () => {
  const seen: number[] = []
  let nested: unknown
  const engine = orderOfCommits(1)
  const set = new ExecutedSet(1)
  const executor: Executor = new Executor({
    engine,
    executed: set,
    machine: new KeyValueStore(),
    ownRow: 0,
    batchOf: () => null,
    onExecuted(row, slot) {
      set.add(row, slot)
      seen.push(slot)
      if (slot === 1) {
        executor.commit(0, 3, null)
        try {
          executor.run()
        } catch (error) {
          nested = error
        }
      }
    },
  })
  executor.commit(0, 1, null)
  executor.commit(0, 2, null)
  executor.run()
  assert.equal(seen, [1, 2], 'the order is a copy')
  executor.run()
  assert.equal(seen, [1, 2, 3])
  assert.match(String(nested), /not re-entered/)
})

test('a client retries at another replica: applied once, the first result returned (scenario 15)', () => {
  const replica = new Replica()
  const request = inSession('s', 1, [increment, increment])
  assert.is(replica.execute(batchOf(replica.machine, [request]), 1), null)
  replica.run({ commands: [increment] })
  assert.equal(replica.run(request), [['kept 01', 'kept 02']])
  assert.equal(replica.run({ commands: [get] }), [['applied 03']])
})

test('the same request twice in one batch is applied once', () => {
  const replica = new Replica()
  const request = inSession('s', 1, [increment])
  assert.equal(replica.run(request, request), [['applied 01'], ['kept 01']])
})

test('a pipelined request that became a no-op and is proposed again after its successors is applied', () => {
  const replica = new Replica()
  replica.run(inSession('s', 1, [increment]))
  replica.execute(null)
  replica.run(inSession('s', 3, [increment]))
  replica.run(inSession('s', 4, [increment]))
  assert.equal(replica.run(inSession('s', 2, [increment])), [['applied 04']])
  assert.equal(replica.run(inSession('s', 2, [increment, increment])), [['kept 04', 'kept 02']])
})

test('a request up to the acknowledged one is expired and not applied', () => {
  const replica = new Replica()
  replica.run(inSession('s', 1, [increment]))
  replica.run(inSession('s', 2, [increment], 1))
  assert.equal(replica.run(inSession('s', 1, [increment, increment, increment])), [
    ['expired', 'kept 02', 'applied 03'],
  ])
})

test('acknowledging counts only with an update that is applied', () => {
  const replica = new Replica()
  replica.run(inSession('s', 1, [increment]))
  replica.run(inSession('s', 2, [increment]))
  replica.run(inSession('s', 3, [get], 2))
  assert.equal(replica.run(inSession('s', 1, [increment])), [['kept 01']])
  replica.run(inSession('s', 3, [increment], 1))
  assert.equal(replica.run(inSession('s', 1, [increment])), [['expired']])
})

test('reads neither test nor change the session, whatever their numbers', () => {
  const replica = new Replica()
  const hash = replica.executor.sessions.hash()
  assert.equal(replica.run(inSession('s', 5, [get])), [['applied 1']])
  assert.is(replica.executor.sessions.hash(), hash)
  assert.equal(replica.run(inSession('s', 5, [increment, get])), [['applied 01', 'applied 01']])
  assert.equal(replica.run(inSession('s', 6, [get])), [['applied 01']])
  assert.equal(replica.run(inSession('s', 5, [get])), [['applied 01']])
  assert.equal(replica.run(inSession('s', 6, [increment])), [['applied 02']])
})

test('a session whose first update comes after a million reads opens', () => {
  const replica = new Replica()
  const first = 2_000_000
  assert.equal(replica.run(inSession('s', first, [increment])), [['refused']])
  assert.equal(replica.run(inSession('s', first, [increment], first - 1)), [['applied 01']])
})

test('what only reads is applied where it is answered alone', () => {
  const machine = checkedKeyValueStore()
  const applied: number[] = []
  const apply = machine.apply.bind(machine)
  machine.apply = (bytes, start, end, result) => {
    applied.push(bytes[start] as number)
    apply(bytes, start, end, result)
  }
  const replica = new Replica(machine)
  const batch = batchOf(machine, [{ commands: [get, increment] }, inSession('s', 1, [get, increment])])
  assert.equal(replica.execute(batch, 1), null)
  assert.equal(applied, [increment[0], increment[0]])
  replica.execute(batch, 0)
  assert.equal(applied.slice(2), [get[0], increment[0], get[0]], 'the update of the session was done before')
})

test('two sessions do not know of each other', () => {
  const replica = new Replica()
  replica.run(inSession('s', 1, [increment]))
  assert.equal(replica.run(inSession('t', 1, [increment])), [['applied 02']])
  assert.equal(replica.run(inSession('s', 1, [increment])), [['kept 01']])
})

test('without a session a repeat applies again', () => {
  const replica = new Replica()
  replica.run({ commands: [increment] })
  assert.equal(replica.run({ commands: [increment] }), [['applied 02']])
})

test('an expired session applies no late duplicate, and its reads go on', () => {
  const replica = new Replica()
  replica.run(inSession('s', 1, [increment]))
  assert.equal(replica.run({ expire: 's' }), [[]])
  assert.equal(replica.run(inSession('s', 1, [increment, increment, get])), [['expired', 'expired', 'applied 01']])
  replica.run({ expire: 'never opened' }, { expire: 's' })
  assert.equal(replica.run(inSession('never opened', 1, [increment])), [['expired']])
})

test('a batch of bytes that are no groups is skipped as a whole', () => {
  const replica = new Replica()
  const good = batchOf(replica.machine, [{ commands: [putCommand('k', 'v')] }])
  const hash = replica.machine.stateHash?.()
  for (const commands of [
    Uint8Array.of(1, 2, 3),
    Buffer.concat([good.commands, Uint8Array.of(0)]),
    Buffer.concat([good.commands, good.commands.subarray(0, -1)]),
  ]) {
    assert.equal(replica.execute({ ...good, commands }), [])
  }
  assert.is(replica.executor.counts.voidBatches, 3)
  assert.is(replica.machine.stateHash?.(), hash)
})

test('kept results and values do not hold the batch they came in', () => {
  const replica = new Replica()
  const batch = batchOf(replica.machine, [inSession('s', 1, [putCommand('k', 'value'), increment])])
  replica.execute(batch)
  batch.commands.fill(0xff)
  assert.equal(replica.run({ commands: [getCommand('k')] }), [['applied 0value']])
  assert.equal(replica.run(inSession('s', 2, [increment])), [['kept 01']])
})

test('results of other rows are kept for the session all the same', () => {
  const here = new Replica()
  const there = new Replica(undefined, 1)
  const steps: Group[][] = [
    [inSession('s', 1, [increment, deleteCommand('x')])],
    [inSession('t', 1, [increment]), inSession('s', 3, [increment], 1)],
    [inSession('s', 2, [increment])],
  ]
  for (const groups of steps) {
    const batch = batchOf(here.machine, groups)
    here.execute(batch)
    there.execute(batch)
  }
  assert.is(there.executor.stateHash(), here.executor.stateHash())
})

test('the state hash covers the machine, by its snapshot where it has no hash of its own, and the sessions', () => {
  const hashAfter = (lines: string[], groups: Group[]) => {
    const machine = new PrintingMachine()
    const replica = new Replica(machine)
    replica.run({ commands: lines.map((line) => Buffer.from(line)) }, ...groups)
    return replica.executor.stateHash()
  }
  assert.is(hashAfter(['a', 'b'], []), hashAfter(['a', 'b'], []))
  assert.is.not(hashAfter(['a', 'b'], []), hashAfter(['b', 'a'], []))
  assert.is.not(hashAfter(['a', 'b'], []), hashAfter(['a', 'b'], [{ expire: 's' }]))
})

test('an empty batch gives no groups of results', () => {
  const replica = new Replica()
  assert.equal(replica.execute({ footprint: Uint32Array.of(0), commands: new Uint8Array(0) }), [])
  assert.is(encodeGroup([]).length, 28)
})

test('a machine learns each command ahead, once and in order, whether it is then applied or not', () => {
  const lines = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => Buffer.from(`line ${from + i}`))
  const told: string[] = []
  const applied: string[] = []
  class LoadingMachine extends PrintingMachine {
    loadAhead(bytes: Uint8Array, ranges: Int32Array, count: number): void {
      assert.ok(count > 1, 'one alone has nothing to wait together with')
      for (let i = 0; i < count; i++)
        told.push(Buffer.from(bytes.subarray(ranges[2 * i], ranges[2 * i + 1])).toString())
    }

    override apply(bytes: Uint8Array, start: number, end: number, result: ResultBuffer): void {
      applied.push(Buffer.from(bytes.subarray(start, end)).toString())
      assert.is(told[applied.length - 1], applied.at(-1))
      super.apply(bytes, start, end, result)
    }
  }
  const replica = new Replica(new LoadingMachine())
  replica.run({ commands: lines(0, 3) }, { commands: [] }, { expire: 'x' }, inSession('s', 1, lines(3, 700)))
  replica.run({ commands: [] }, { commands: lines(703, 1) }, { commands: lines(704, 2) }, { commands: [] })
  assert.is(applied.length, 706)
  assert.equal(told, applied)
  replica.run(inSession('s', 1, lines(3, 2)))
  assert.is(applied.length, 706, 'these were applied before')
  assert.equal(told.slice(706), ['line 3', 'line 4'])
  replica.run({ expire: 't' })
  replica.run(inSession('s', 1, lines(3, 1)))
  assert.is(told.length, 708)
})

test.run()
