import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FootprintBuilder } from '../../src/engine/footprint.ts'
import { encodeSweep, GroupReader, prepareGroup } from '../../src/execution/groups.ts'
import { Status } from '../../src/execution/results.ts'
import { RESULT_COST_BYTES, type Session } from '../../src/execution/session.ts'
import { SessionTable } from '../../src/execution/sessions.ts'
import type { Limits } from '../../src/execution/sweep.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { Sweeper } from '../../src/node/sweeper.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'

const test = suite('sweeps of sessions')

const LIMITS: Limits = { bytes: 1 << 20, numbers: 1 << 20, sessions: 1 << 20, tombstones: 1 << 20 }

/** Executes request `number` of a session, whose result has so many bytes. */
function execute(table: SessionTable, id: string, number: number, size: number): Status {
  const session = table.open(id)
  if (session === null) return Status.expired
  const status = session.judge(number, 0)
  if (status === Status.applied) session.enter(number, new Uint8Array(size))
  return status
}

function judge(table: SessionTable, id: string, number: number): Status {
  return table.open(id)?.judge(number, 0) ?? Status.expired
}

test('what is swept does not depend on the order in which sessions came, and the tables stay equal', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  let swept = 0
  for (let round = 0; round < 200; round++) {
    const limits = {
      bytes: 2000 + random.below(4000),
      numbers: 20 + random.below(40),
      sessions: 4 + random.below(10),
      tombstones: 20 + random.below(40),
    }
    const [one, other] = [new SessionTable(limits), new SessionTable(limits)]
    for (let generation = 0; generation < 6; generation++) {
      const requests = Array.from({ length: random.below(30) }, () => ({
        id: `s${random.below(12)}`,
        size: random.below(200),
      }))
      // Sessions do not interfere: their requests come in another order, those of one session in the same.
      const byId = [...requests].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
      for (const [table, list] of [
        [one, requests],
        [other, byId],
      ] as const) {
        const next = new Map<string, number>()
        for (const { id, size } of list) {
          const number = (next.get(id) ?? 100 * generation) + 1
          next.set(id, number)
          execute(table, id, number, size)
        }
      }
      const what = `seed ${seed}, round ${round}`
      assert.is(one.hash(), other.hash(), what)
      const result = one.sweep(generation)
      assert.equal(result, other.sweep(generation), what)
      assert.is(one.hash(), other.hash(), what)
      assert.equal([...one.snapshot()], [...other.snapshot()], what)
      const { forgotten = [], cut = [], expired = [] } = result ?? {}
      swept += forgotten.length + cut.length + expired.length
    }
  }
  assert.ok(swept > 1000, `seed ${seed}: ${swept}`)
  volume('sessions swept', swept)
})

test('a result that was swept is gone, and its request is remembered: it is never applied again', () => {
  const table = new SessionTable(LIMITS)
  for (let number = 1; number <= 8; number++) execute(table, 'large', number, 100_000)
  execute(table, 'small', 1, 10)
  const { bytes, numbers } = table.kept
  assert.is(bytes, 8 * 100_000 + 10 + 9 * RESULT_COST_BYTES)
  assert.equal(table.sweep(0), { forgotten: ['large'], cut: [], expired: [] })
  assert.equal(table.kept, { bytes: 10 + RESULT_COST_BYTES, numbers, sessions: 2, tombstones: 0 })
  for (let number = 1; number <= 8; number++) assert.is(judge(table, 'large', number), Status.gone)
  assert.is(judge(table, 'large', 9), Status.applied)
  assert.is(judge(table, 'small', 1), Status.kept)
  const restored = new SessionTable(LIMITS)
  restored.restore(table.snapshot())
  assert.is(restored.hash(), table.hash())
  assert.equal(restored.kept, table.kept)
  assert.is(judge(restored, 'large', 8), Status.gone)
})

test('sessions that were not used for long are swept first, then those that keep most', () => {
  const table = new SessionTable(LIMITS)
  const sizes: [string, number][] = [
    ['idle', 100_000],
    ['large', 400_000],
    ['middle', 300_000],
    ['small', 100],
  ]
  for (const [id, size] of sizes) execute(table, id, 1, size)
  assert.equal(table.sweep(0)?.forgotten, ['large'], 'of one generation the largest')
  for (const id of ['large', 'middle', 'small']) execute(table, id, 2, id === 'large' ? 500_000 : 10)
  assert.equal(table.sweep(1)?.forgotten, ['idle', 'large'])
  assert.is(table.sweep(1), null, 'another sweep has ended it')
  assert.is(table.generation, 2)
})

test('numbers are cut up to the highest one: none of these is applied, the next one is', () => {
  const table = new SessionTable({ ...LIMITS, numbers: 100 })
  for (let number = 1; number <= 79; number += 2) execute(table, 'greedy', number, 1)
  execute(table, 'greedy', 900_000, 1)
  for (let number = 1; number <= 40; number++) execute(table, 'other', number, 1)
  assert.equal(table.sweep(0)?.cut, ['greedy'])
  assert.is(judge(table, 'greedy', 2), Status.expired)
  assert.is(judge(table, 'greedy', 900_000), Status.expired)
  assert.is(judge(table, 'greedy', 900_001), Status.applied)
  assert.is(judge(table, 'other', 7), Status.kept)
})

test('too many sessions: the oldest ones are closed for good', () => {
  const table = new SessionTable({ ...LIMITS, sessions: 8 })
  for (let i = 0; i < 3; i++) execute(table, `idle ${i}`, 1, 1)
  table.sweep(0)
  for (let i = 0; i < 4; i++) execute(table, `busy ${i}`, 1, 1)
  assert.equal(table.sweep(1)?.expired, ['idle 0', 'idle 1', 'idle 2'])
  assert.is(table.open('idle 1'), null)
  assert.is(judge(table, 'busy 1', 1), Status.kept)
})

test('a client cannot ask for a sweep', () => {
  const keys = new FootprintBuilder()
  assert.throws(() => prepareGroup(encodeSweep(0), new KeyValueStore(), keys), /malformed: its kind/)
})

test('a replica proposes a sweep when a table is full, one at a time, and now and then when much has come', () => {
  const table = new SessionTable({ ...LIMITS, sessions: 16 })
  const proposed: number[] = []
  let answer = (): void => {}
  let isFull = false
  const sweeper = new Sweeper({
    sessions: table,
    ...{ row: 0, epoch: 0, lifetimeMs: 1e9 },
    submit: (command, respond) => {
      const reader = new GroupReader()
      reader.open(command, 0)
      proposed.push(reader.first)
      answer = () => respond({ outcome: 'unknown', code: 'timeout', message: '' })
    },
    ready: () => true,
    full: (_, isCrowded) => {
      isFull = isCrowded
    },
  })
  sweeper.turned(0)
  for (let i = 0; i < 3; i++) table.open(`a${i}`)
  sweeper.turned(1)
  sweeper.turned(2)
  assert.equal(proposed, [0], 'an eighth has come')
  answer()
  table.sweep(0)
  sweeper.turned(2)
  for (let i = 0; i < 3; i++) table.open(`b${i}`)
  sweeper.turned(3)
  assert.equal(proposed, [0], 'not so soon again')
  sweeper.turned(6000)
  assert.equal(proposed, [0, 1])
  answer()
  table.sweep(1)
  sweeper.turned(6000)
  for (let i = 0; i < 11; i++) table.open(`c${i}`)
  sweeper.turned(6001)
  assert.ok(isFull)
  assert.equal(proposed, [0, 1, 2], 'at once, where it is full')
})

test('hashing a table of 176 sessions with 3.4 MB each takes no time', () => {
  const table = new SessionTable()
  const result = new Uint8Array(3_400_000)
  for (let i = 0; i < 176; i++) (table.open(`s${i}`) as Session).enter(1, result)
  const before = performance.now()
  table.hash()
  const tookMs = performance.now() - before
  assert.ok(tookMs < 5, `${tookMs} ms`)
})

test.run()
