import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpaxosError } from '../../src/errors.ts'
import { OPENED_MARK } from '../../src/execution/groups.ts'
import { Status } from '../../src/execution/results.ts'
import { SessionTable } from '../../src/execution/sessions.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'

const test = suite('image of the sessions')

/** A name that clients chose, or one that a replica gave at the opening. */
function name(random: Random, sessions: number): string {
  const number = random.below(sessions)
  return random.chance(0.5) ? `s${number}` : `${String.fromCharCode(OPENED_MARK)}${number}`
}

/** What an execution may do to the table. */
function change(table: SessionTable, random: Random, sessions: number): void {
  const id = name(random, sessions)
  const choice = random.next()
  if (choice < 0.05) table.expire(id)
  else if (choice < 0.07) table.sweep(table.generation)
  else if (choice < 0.09) table.tick(table.ticks, random.below(3), 0, 2)
  else if (choice < 0.2 && id.charCodeAt(0) === OPENED_MARK) table.openNew(id)
  else {
    const session = table.open(id)
    if (session === null) return
    const number = session.acknowledged + 1 + random.below(random.chance(0.1) ? 500 : 8)
    const acknowledged = session.acknowledged + (random.chance(0.3) ? random.below(5) : 0)
    if (session.judge(number, acknowledged) !== Status.applied) return
    session.trim(acknowledged)
    session.enter(number, new Uint8Array(random.below(random.chance(0.02) ? 9000 : 30)).fill(random.below(256)))
  }
}

function bytesOf(chunks: Iterable<Uint8Array>): Buffer {
  return Buffer.concat([...chunks])
}

test('is what the table held when it was begun, whatever changes while it is read', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  let steps = 0
  for (let round = 0; round < 300; round++) {
    const limits = {
      bytes: 20_000,
      numbers: 300 + random.below(2000),
      sessions: 4 + random.below(2000),
      tombstones: 1 << 20,
    }
    const table = new SessionTable(limits)
    const sessions = random.pick([3, 30, 1500])
    for (let i = random.below(4000); i > 0; i--) change(table, random, sessions)
    for (let images = 1 + random.below(3); images > 0; images--) {
      const expected = bytesOf(table.snapshot())
      const hash = table.hash()
      const image = table.capture()
      const end = random.chance(0.2) ? random.below(3) : Number.POSITIVE_INFINITY
      const pace = random.pick([0, 3, 200])
      const chunks: Uint8Array[] = []
      for (let left = random.below(pace + 1); left > 0; left--) change(table, random, sessions)
      for (const chunk of image.chunks) {
        chunks.push(chunk)
        if (chunks.length > end) break
        for (let left = random.below(pace + 1); left > 0; left--) change(table, random, sessions)
        steps++
      }
      image.release()
      if (chunks.length > end) continue
      const message = `seed ${seed}, round ${round}`
      const restored = new SessionTable(limits)
      restored.restore(chunks)
      assert.is(restored.hash(), hash, message)
      assert.ok(bytesOf(restored.snapshot()).equals(expected), message)
      assert.is(image.waiting, 0)
    }
    const restored = new SessionTable(limits)
    restored.restore(table.snapshot())
    assert.is(restored.hash(), table.hash())
    assert.equal(restored.kept, table.kept)
  }
  volume('steps of images of sessions', steps)
})

test('goes on as it was when the table is replaced meanwhile', () => {
  const table = new SessionTable()
  for (let i = 0; i < 1000; i++) table.open(`s${i}`)?.enter(1, Uint8Array.of(i))
  const expected = bytesOf(table.snapshot())
  const chunks = table.capture().chunks[Symbol.iterator]()
  const first = chunks.next().value as Uint8Array
  const other = new SessionTable()
  other.open('s1')?.enter(5, Uint8Array.of(5))
  table.restore(other.snapshot())
  const image = table.capture()
  table.open('s1')?.enter(6, Uint8Array.of(6))
  const restored = new SessionTable()
  restored.restore([first, ...{ [Symbol.iterator]: () => chunks }])
  assert.ok(bytesOf(restored.snapshot()).equals(expected))
  restored.restore(image.chunks)
  assert.is(restored.hash(), other.hash())
})

test('one that lacks a session, or has another result, is refused', () => {
  const table = new SessionTable()
  for (const id of ['a', 'b']) table.open(id)?.enter(1, Uint8Array.of(1, 2, 3))
  const image = bytesOf(table.capture().chunks)
  const changed = Buffer.from(image)
  changed[image.length - 1] = 9
  for (const damaged of [changed, image.subarray(0, -1), Buffer.concat([image, Buffer.from([0])])]) {
    assert.throws(
      () => table.restore([damaged]),
      (error: unknown) => error instanceof EpaxosError && error.code === 'damaged',
    )
  }
  assert.is(table.size, 2)
})

test.run()
