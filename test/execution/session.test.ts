import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpaxosError } from '../../src/errors.ts'
import { Status } from '../../src/execution/results.ts'
import { MAX_KEPT_BYTES, MAX_REQUEST_WINDOW, Session } from '../../src/execution/session.ts'
import { SessionTable } from '../../src/execution/sessions.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'

const test = suite('sessions')

const result = (number: number) => Uint8Array.of(0, ...String(number).split('').map(Number))

/** Protocol.md §8 with a Map. */
class Model {
  acknowledged = 0
  readonly executed = new Map<number, Uint8Array>()

  execute(number: number, acknowledged: number): Status {
    if (number <= this.acknowledged) return Status.expired
    if (this.executed.has(number)) return Status.kept
    if (number > Math.max(acknowledged, this.acknowledged) + MAX_REQUEST_WINDOW) return Status.refused
    this.executed.set(number, result(number))
    this.acknowledged = Math.max(this.acknowledged, acknowledged)
    for (const old of this.executed.keys()) if (old <= this.acknowledged) this.executed.delete(old)
    return Status.applied
  }
}

function execute(session: Session, number: number, acknowledged: number): Status {
  const status = session.judge(number, acknowledged)
  if (status === Status.applied) {
    session.trim(acknowledged)
    session.enter(number, result(number))
  }
  return status
}

function assertEqual(session: Session, model: Model, what: string): void {
  assert.is(session.acknowledged, model.acknowledged, what)
  assert.equal(
    [...session.entries()],
    [...model.executed].sort(([a], [b]) => a - b),
    what,
  )
  assert.is(session.size, model.executed.size, what)
}

test('random requests in a window, with gaps and retries, are judged as by a plain model', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  let requests = 0
  for (let round = 0; round < 60; round++) {
    const session = new Session()
    const model = new Model()
    const far = round % 3 === 0 ? MAX_REQUEST_WINDOW * 1.2 : round % 3 === 1 ? 500 : 20
    for (let i = 0; i < 400; i++, requests++) {
      const what = `seed ${seed}, round ${round}, request ${i}`
      const number = Math.max(1, model.acknowledged - 3 + random.below(random.chance(0.1) ? far : 30))
      const acknowledged = Math.max(0, random.chance(0.3) ? number - 1 - random.below(20) : 0)
      assert.is(execute(session, number, acknowledged), model.execute(number, acknowledged), what)
      if (model.executed.has(number)) {
        assert.is(session.judge(number, 0), Status.kept, what)
        assert.equal(session.kept, result(number), what)
      }
      if (i % 50 === 0) assertEqual(session, model, what)
    }
    assertEqual(session, model, `seed ${seed}, round ${round}`)
  }
  volume('requests of sessions against the model', requests)
})

test('a request far beyond the others costs no memory for the gap, one beyond the window is refused', () => {
  const session = new Session()
  assert.is(execute(session, MAX_REQUEST_WINDOW, 0), Status.applied)
  assert.is(execute(session, 1, 0), Status.applied)
  assert.is(session.judge(MAX_REQUEST_WINDOW, 0), Status.kept)
  assert.is(session.judge(MAX_REQUEST_WINDOW + 1, 0), Status.refused)
  assert.is(session.judge(MAX_REQUEST_WINDOW + 1, 1), Status.applied)
  const before = process.memoryUsage().heapUsed
  const sessions = Array.from({ length: 2000 }, () => {
    const sparse = new Session()
    execute(sparse, MAX_REQUEST_WINDOW, 0)
    return sparse
  })
  const perSession = (process.memoryUsage().heapUsed - before) / sessions.length
  assert.ok(perSession < 4096, `${perSession} bytes per session`)
})

test('numbers near 2⁵³ are distinguished', () => {
  const session = new Session()
  const last = Number.MAX_SAFE_INTEGER - 1
  assert.is(execute(session, last, last - 2), Status.applied)
  assert.is(session.judge(last, 0), Status.kept)
  assert.is(session.judge(last - 1, 0), Status.applied)
  assert.is(session.judge(last - 2, 0), Status.expired)
})

test('a large window is given back when it was acknowledged', () => {
  const session = new Session()
  for (let number = 1; number <= 50_000; number++) execute(session, number, 0)
  assert.is(session.size, 50_000)
  assert.is(execute(session, 50_001, 50_000), Status.applied)
  assert.is(session.size, 1)
  assert.equal([...session.entries()], [[50_001, result(50_001)]])
})

test('equal tables have equal hashes and snapshots whatever the order of their sessions, and are restored', () => {
  const fill = (ids: readonly string[]) => {
    const table = new SessionTable()
    for (const id of ids) {
      const session = table.open(id) as Session
      for (let number = 1; number <= 3000; number++) execute(session, number, number - 1 - (number % 9))
      execute(session, 900_000, 0)
    }
    table.expire('gone')
    return table
  }
  const one = fill(['a', 'b', 'ÿ'])
  const other = fill(['ÿ', 'a', 'b'])
  assert.is(other.hash(), one.hash())
  const restored = new SessionTable()
  restored.restore([Buffer.concat([...one.snapshot()])])
  assert.is(restored.hash(), one.hash())
  assert.is(restored.open('gone'), null)
  assert.is(restored.open('a')?.judge(900_000, 0), Status.kept)

  const changed: ((table: SessionTable) => void)[] = [
    (table) => table.open('new'),
    (table) => table.expire('a'),
    (table) => (table.open('a') as Session).trim(3000),
    (table) => (table.open('a') as Session).enter(3001, Uint8Array.of(0)),
  ]
  for (const change of changed) {
    const table = fill(['a', 'b', 'ÿ'])
    change(table)
    assert.is.not(table.hash(), one.hash(), String(change))
  }
})

test('the hash after any changes is that of a table restored from the snapshot', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const table = new SessionTable()
  for (let round = 0; round < 200; round++) {
    for (let i = random.below(5); i > 0; i--) {
      const id = String(random.below(12))
      if (random.chance(0.05)) table.expire(id)
      const session = table.open(id)
      if (session !== null) execute(session, 1 + random.below(30), random.below(20))
    }
    const restored = new SessionTable()
    restored.restore(table.snapshot())
    assert.is(table.hash(), restored.hash(), `seed ${seed}, round ${round}`)
  }
})

test('hashing reads no session: it is asked for in the middle of the load', () => {
  const table = new SessionTable()
  const sessions = Array.from({ length: 100 }, (_, i) => table.open(`session ${i}`) as Session)
  for (const session of sessions) {
    execute(session, 1, 0)
    session.entries = () => {
      throw new Error('a session is read')
    }
  }
  const before = table.hash()
  execute(table.open('session 7') as Session, 2, 0)
  assert.is.not(table.hash(), before)
})

test('a session that was opened by a command leaves nothing behind, and its name never opens again', () => {
  const opened = '\0opened by one'
  const table = new SessionTable()
  const empty = table.hash()
  assert.is(table.open(opened), null, 'before its opening')
  execute(table.openNew(opened), 1, 0)
  assert.is(table.openNew(opened).judge(1, 0), Status.kept, 'an opening that comes again changes nothing')
  const restored = new SessionTable()
  restored.restore(table.snapshot())
  assert.is(restored.hash(), table.hash())
  table.expire(opened)
  assert.is(table.open(opened), null)
  assert.equal([table.size, table.hash(), table.kept.sessions], [0, empty, 0])
  table.expire('chosen')
  assert.equal([table.size, table.open('chosen')], [1, null])
})

test('a damaged snapshot is refused and changes nothing', () => {
  const table = new SessionTable()
  execute(table.open('a') as Session, 1, 0)
  const hash = table.hash()
  const bytes = Buffer.concat([...table.snapshot()])
  const twice = Buffer.concat([bytes, bytes.subarray(-14)])
  twice[8 + 4 + 2 + 1 + 8 + 8] = 2
  for (const damaged of [bytes.subarray(0, -1), Buffer.concat([bytes, bytes]), twice]) {
    assert.throws(
      () => table.restore([damaged]),
      (error: unknown) => error instanceof EpaxosError,
    )
    assert.is(table.hash(), hash)
  }
})

test('a client that acknowledges nothing is refused when its kept results have filled their bytes', () => {
  const session = new Session()
  const large = new Uint8Array(MAX_KEPT_BYTES / 4)
  for (let number = 1; number <= 4; number++) {
    assert.is(session.judge(number, 0), Status.applied)
    session.enter(number, large)
  }
  assert.is(session.judge(5, 0), Status.refused)
  assert.is(session.judge(4, 0), Status.kept)
  // A request makes room for itself by what it acknowledges.
  assert.is(session.judge(5, 2), Status.applied)
  session.trim(2)
  session.enter(5, large)
  assert.is(session.judge(6, 2), Status.applied)
})

test.run()
