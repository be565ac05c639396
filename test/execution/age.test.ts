import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FootprintBuilder } from '../../src/engine/footprint.ts'
import { AgeClock, LIFETIME_TICKS } from '../../src/execution/age.ts'
import { encodeTick, GroupKind, GroupReader, OPENED_MARK, prepareGroup } from '../../src/execution/groups.ts'
import { Status } from '../../src/execution/results.ts'
import { type Aged, SessionTable } from '../../src/execution/sessions.ts'
import { isCrowded, SESSION_LIMITS } from '../../src/execution/sweep.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { Sweeper } from '../../src/node/sweeper.ts'
import { freshSeed, Random } from '../support/random.ts'

const test = suite('the age of sessions')

/** What becomes of request `number` of a session: executed here if it is applied. */
function request(table: SessionTable, id: string, number: number): Status {
  const session = table.open(id)
  const status = session?.judge(number, 0) ?? Status.expired
  if (status === Status.applied) session?.enter(number, Uint8Array.of(number))
  return status
}

/** Two of three members say that the present tick is over. */
function tick(table: SessionTable): Aged {
  table.tick(table.ticks, 0, 0, 2)
  return table.tick(table.ticks, 1, 0, 2) as Aged
}

test('a majority ends a tick; fewer members do not, however often they say so', () => {
  const clock = new AgeClock()
  for (let i = 0; i < 9; i++) assert.not.ok(clock.claim(0, 4, 0, 3, 1))
  assert.not.ok(clock.claim(0, 2, 0, 3, 1))
  assert.not.ok(clock.claim(1, 0, 0, 3, 1), 'not the present tick')
  assert.ok(clock.hasClaimed(4, 0) && clock.hasClaimed(2, 0))
  assert.not.ok(clock.hasClaimed(0, 0) || clock.hasClaimed(4, 1))
  assert.ok(clock.claim(0, 0, 0, 3, 1))
  assert.is(clock.ticks, 1)
  assert.not.ok(clock.hasClaimed(4, 0), 'the next tick has no claims')
  assert.not.ok(clock.claim(0, 1, 0, 3, 1), 'a late claim counts for nothing')
})

test('claims of an epoch do not count in the next one, where rows are other members', () => {
  const clock = new AgeClock()
  clock.claim(0, 0, 0, 2, 1)
  assert.not.ok(clock.claim(0, 1, 1, 2, 1))
  assert.ok(clock.claim(0, 0, 1, 2, 1))
})

test('a duplicate is never applied within the lifetime after the last use, and then everything is forgotten', () => {
  const table = new SessionTable()
  tick(table)
  assert.is(request(table, 'open', 1), Status.applied)
  assert.is(request(table, 'closed', 1), Status.applied)
  table.expire('closed')
  table.openNew(`${String.fromCharCode(OPENED_MARK)}opened`)
  // The rest of the present tick does not count.
  for (let i = 0; i < LIFETIME_TICKS; i++) {
    assert.equal(tick(table), { sessions: [], tombstones: [] }, `tick ${i}`)
    // Judging is no use: only `open` is.
    assert.ok(table.has('open') && table.has('closed'))
  }
  const copy = new SessionTable()
  copy.restore(table.snapshot())
  assert.is(request(copy, 'open', 1), Status.kept)
  assert.is(request(copy, 'closed', 1), Status.expired)
  const aged = tick(table)
  assert.equal([aged.sessions.length, aged.tombstones], [2, ['closed']])
  assert.is(table.size, 0)
  assert.equal(table.kept, { bytes: 0, numbers: 0, sessions: 0, tombstones: 0 })
  assert.is(request(table, `${String.fromCharCode(OPENED_MARK)}opened`, 1), Status.expired)
  assert.is(request(table, 'open', 1), Status.applied)
  assert.equal(tick(copy), { sessions: [...aged.sessions].slice(1), tombstones: ['closed'] }, 'the copy has used one')
})

test('a session that is used goes on for ever', () => {
  const table = new SessionTable()
  for (let number = 1; number <= 3 * LIFETIME_TICKS; number++) {
    assert.is(request(table, 's', number), Status.applied)
    assert.equal(tick(table).sessions, [])
  }
  assert.is(request(table, 's', 1), Status.kept)
})

test('tables that executed the same have the same hash, images included, through ticks, sweeps and restarts', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  let forgotten = 0
  for (let round = 0; round < 60; round++) {
    const limits = { ...SESSION_LIMITS, sessions: 8, tombstones: 30 }
    let [one, other] = [new SessionTable(limits), new SessionTable(limits)]
    for (let step = 0; step < 400; step++) {
      const id = `s${random.below(40)}`
      const number = 1 + random.below(3)
      const row = random.below(3)
      const act = (table: SessionTable) => {
        if (step % 5 < 3) return request(table, id, number)
        if (step % 5 === 3) return random.below(1) + Number(table.tick(table.ticks, row, 0, 2)?.tombstones.length ?? 0)
        return table.kept.sessions > 6 ? table.sweep(table.generation) : table.expire(id)
      }
      const results = [act(one), act(other)]
      assert.equal(results[0], results[1], `seed ${seed}`)
      if (step % 5 === 3) forgotten += results[0] as number
      assert.is(one.hash(), other.hash(), `seed ${seed}, round ${round}, step ${step}`)
      if (random.chance(0.02)) {
        const restored = new SessionTable(limits)
        restored.restore(other.snapshot())
        other = restored
      }
    }
    ;[one, other] = [other, one]
  }
  assert.ok(forgotten > 100, `seed ${seed}: ${forgotten}`)
})

test('a client cannot send a tick, and a damaged one is no group', () => {
  const keys = new FootprintBuilder()
  assert.throws(() => prepareGroup(encodeTick(0, 0), new KeyValueStore(), keys), /malformed: its kind/)
  const whole = encodeTick(7, 3)
  const reader = new GroupReader()
  reader.open(whole, 0)
  assert.equal([reader.kind, reader.first, reader.acknowledged], [GroupKind.tick, 7, 3])
  whole.fill(0xff, 12, 20)
  assert.throws(() => new GroupReader().open(whole, 0), /a tick/)
})

test('with as many tombstones as allowed no session with a chosen name is closed, and the table is crowded', () => {
  const limits = { ...SESSION_LIMITS, sessions: 8, tombstones: 3 }
  const table = new SessionTable(limits)
  for (let i = 0; i < 9; i++) request(table, `chosen ${i}`, 1)
  table.sweep(0)
  assert.equal(table.kept.tombstones, 3)
  assert.equal(table.kept.sessions, 6)
  assert.not.ok(isCrowded(table))
  for (let i = 0; i < 3; i++) request(table, `more ${i}`, 1)
  table.openNew(`${String.fromCharCode(OPENED_MARK)}x`)
  assert.ok(isCrowded(table))
  assert.equal(table.sweep(1)?.expired, [`${String.fromCharCode(OPENED_MARK)}x`], 'it leaves no tombstone')
  for (let i = 0; i <= LIFETIME_TICKS; i++) tick(table)
  assert.is(table.size, 0)
})

/** Members whose clocks run at these rates; what they propose executes at once, everywhere. */
class Members {
  readonly tables: readonly SessionTable[]
  /** When each tick began, in real ms. */
  readonly begins: number[] = [0]
  proposed = 0
  readonly #sweepers: readonly Sweeper[]
  readonly #rates: readonly number[]

  constructor(rates: readonly number[], lifetimeMs: number) {
    this.#rates = rates
    this.tables = rates.map(() => new SessionTable())
    this.#sweepers = rates.map((_, row) => this.#member(row, lifetimeMs))
    for (const table of this.tables) request(table, 's', 1)
  }

  #member(row: number, lifetimeMs: number): Sweeper {
    return new Sweeper({
      ...{ sessions: this.tables[row] as SessionTable, row, epoch: 0, lifetimeMs },
      submit: (command, respond) => {
        this.proposed++
        const reader = new GroupReader()
        reader.open(command, 0)
        const majority = Math.floor(this.#rates.length / 2) + 1
        for (const table of this.tables) table.tick(reader.first, row, reader.acknowledged, majority)
        respond({ outcome: 'unknown', code: 'timeout', message: '' })
      },
      ready: () => true,
      full: () => {},
    })
  }

  run(forMs: number): void {
    for (let ms = 0; ms < forMs; ms++) {
      this.#sweepers.forEach((sweeper, row) => {
        sweeper.turned(ms * (this.#rates[row] as number))
      })
      if ((this.tables[0] as SessionTable).ticks >= this.begins.length) this.begins.push(ms)
    }
  }
}

test('no minority of wrong clocks makes a tick shorter, nor keeps it from ending', () => {
  const lengthMs = 100
  for (const rates of [
    [1],
    [1, 1, 1000],
    [1000, 1, 1],
    [1, 0, 1],
    [1, 1000, 1, 1000, 1],
    [0, 1, 1000, 1, 1],
    [1, 1, 9, 9, 0],
  ]) {
    const members = new Members(rates, LIFETIME_TICKS * lengthMs)
    members.run(2000)
    const { begins } = members
    const lengths = begins.slice(1).map((begin, i) => begin - (begins[i] as number))
    for (const length of lengths) assert.ok(length >= lengthMs, `${rates}: ${lengths}`)
    assert.ok(lengths.length >= 17, `${rates}: ${lengths}`)
    assert.ok(members.proposed <= rates.length * begins.length, 'each member claims once for each tick')
  }
})

test('a majority of wrong clocks does: that is the bound', () => {
  const members = new Members([1, 1000, 1000], LIFETIME_TICKS * 100)
  members.run(100)
  assert.ok(members.begins.length > LIFETIME_TICKS)
  assert.is(members.tables[0]?.size, 0)
})

test('nothing is proposed while there are no sessions', () => {
  const members = new Members([1], LIFETIME_TICKS)
  members.tables[0]?.restore(new SessionTable().snapshot())
  members.run(1000)
  assert.is(members.proposed, 0)
})

test.run()
