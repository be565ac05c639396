import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Engine, Vector } from '../../src/engine/engine.ts'
import { barrier, engines, executed, read, write } from './engines.ts'

const order = suite('engine: order')

for (const { name, open } of engines) {
  const test = (title: string, run: (engine: Engine) => void) =>
    order(`${name}: ${title}`, async () => run(await open(3)))

  const enterAll = (engine: Engine, payloads: Record<string, Uint32Array>) => {
    for (const [id, payload] of Object.entries(payloads)) engine.enter(...parse(id), payload)
  }
  const commitAll = (engine: Engine, outcomes: Record<string, Vector | null>) => {
    for (const [id, deps] of Object.entries(outcomes)) engine.commit(...parse(id), deps)
  }

  test('what nothing blocks executes at the next call, once', (engine) => {
    enterAll(engine, { '0.1': write(1) })
    engine.commit(0, 1, [0, 0, 0])
    assert.is(engine.pending, 1)
    assert.equal(executed(engine), ['0.1'])
    assert.is(engine.pending, 0)
    engine.commit(0, 1, [0, 0, 0])
    engine.commit(0, 1, null)
    engine.enter(0, 1, write(1))
    assert.equal(executed(engine), [])
  })

  test('dependencies come first, whatever the order of commits', (engine) => {
    enterAll(engine, { '0.1': write(1), '1.1': write(1), '2.1': write(1) })
    commitAll(engine, { '0.1': [0, 1, 1], '1.1': [0, 0, 1], '2.1': [0, 0, 0] })
    assert.equal(executed(engine), ['2.1', '1.1', '0.1'])
  })

  test('components come by level, then by their first member', (engine) => {
    enterAll(engine, { '0.1': write(1), '1.1': write(1), '2.1': write(2), '2.2': write(3), '0.2': write(3) })
    commitAll(engine, { '0.1': [0, 1, 0], '1.1': [0, 0, 0], '2.2': [2, 0, 1], '0.2': [1, 0, 2], '2.1': [0, 0, 0] })
    assert.equal(executed(engine), ['1.1', '2.1', '0.2 2.2', '0.1'])
  })

  for (const first of ['0.1', '1.1', '2.1'] as const) {
    test(`a component comes in one order when its search enters at ${first} (scenario 8)`, (engine) => {
      enterAll(engine, { '0.1': write(1), '1.1': write(1), '2.1': write(1) })
      const cycle: Record<string, Vector> = { '0.1': [0, 1, 0], '1.1': [0, 0, 1], '2.1': [1, 0, 0] }
      const rest = Object.keys(cycle).filter((id) => id !== first)
      for (const id of [...rest, first]) {
        engine.commit(...parse(id), cycle[id] as Vector)
        if (id !== first) assert.equal(executed(engine), [])
      }
      assert.equal(executed(engine), ['0.1 1.1 2.1'])
    })
  }

  test('conflicts that are not transitive: the ends commute, the middle does not (scenario 16)', (engine) => {
    enterAll(engine, { '0.1': write(1), '1.1': write(1, 2), '2.1': write(2) })
    commitAll(engine, { '0.1': [0, 1, 1], '1.1': [0, 0, 1] })
    assert.equal(executed(engine), [])
    engine.commit(2, 1, [1, 0, 0])
    assert.equal(executed(engine), ['2.1', '1.1', '0.1'])
  })

  order(`${name}: four in one component, built from two crossing pairs (scenario 16)`, async () => {
    const outcomes: Record<string, Vector> = {
      '0.1': [0, 1, 0, 0],
      '1.1': [0, 0, 1, 0],
      '2.1': [0, 0, 0, 1],
      '3.1': [1, 0, 0, 0],
    }
    const payloads = { '0.1': write(1, 4), '1.1': write(1, 2), '2.1': write(2, 3), '3.1': write(3, 4) }
    for (const ids of permutations(Object.keys(outcomes))) {
      const engine = await open(4)
      enterAll(engine, payloads)
      for (const id of ids) engine.commit(...parse(id), outcomes[id] as Vector)
      assert.equal(executed(engine), ['0.1 1.1 2.1 3.1'])
    }
  })

  test('a no-op executes without waiting, gives no edge, and execution goes on past it (scenario 10)', (engine) => {
    enterAll(engine, { '0.1': write(1), '1.1': write(1), '0.2': write(1) })
    commitAll(engine, { '0.1': [0, 1, 0], '0.2': [1, 0, 0] })
    assert.equal(executed(engine), [])
    assert.equal(engine.blocker(0, 2), { row: 1, slot: 1 })
    engine.commit(1, 1, null)
    assert.equal(executed(engine), ['0.1', '1.1', '0.2'])
  })

  test('a slot that nobody used becomes a no-op and blocks no longer', (engine) => {
    enterAll(engine, { '0.1': write(1) })
    engine.commit(0, 1, [0, 0, 2])
    assert.equal(executed(engine), [])
    assert.equal(engine.blocker(0, 1), { row: 2, slot: 1 })
    engine.commit(2, 2, null)
    assert.equal(executed(engine), ['2.2'])
    engine.commit(2, 1, null)
    assert.equal(executed(engine), ['0.1', '2.1'])
  })

  test('a known payload that does not interfere is not waited for, an unknown one is', (engine) => {
    enterAll(engine, { '0.1': write(1), '1.1': write(2), '1.2': read(1), '2.1': read(1) })
    engine.commit(2, 1, [0, 2, 0])
    assert.equal(executed(engine), ['2.1'])
    engine.commit(0, 1, [0, 3, 1])
    assert.equal(executed(engine), [])
    assert.equal(engine.blocker(0, 1), { row: 1, slot: 2 })
    engine.commit(1, 2, [0, 1, 0])
    assert.equal(executed(engine), ['1.2'])
    assert.equal(engine.blocker(0, 1), { row: 1, slot: 3 })
    engine.enter(1, 3, write(3))
    assert.equal(executed(engine), ['0.1'])
    assert.is(engine.blocker(0, 1), null)
  })

  test('an uncommitted dependency blocks only what depends on it (scenario 21)', (engine) => {
    enterAll(engine, { '0.1': write(1), '1.1': write(1), '1.2': write(1), '2.1': write(2), '2.2': write(2) })
    commitAll(engine, { '1.1': [1, 0, 0], '1.2': [1, 1, 0], '2.1': [1, 2, 0], '2.2': [1, 2, 1] })
    assert.equal(executed(engine), ['2.1', '2.2'])
    assert.is(engine.pending, 2)
    assert.equal(engine.blocker(1, 2), { row: 0, slot: 1 })
    engine.commit(0, 1, [0, 0, 0])
    assert.equal(executed(engine), ['0.1', '1.1', '1.2'])
  })

  test('the blocker is the smallest, also behind others', (engine) => {
    enterAll(engine, { '0.1': write(1), '0.2': write(1), '1.1': write(1, 2), '2.1': write(2), '2.2': write(2) })
    commitAll(engine, { '1.1': [2, 0, 2] })
    assert.equal(engine.blocker(1, 1), { row: 0, slot: 1 })
    engine.commit(0, 1, null)
    assert.equal(engine.blocker(1, 1), { row: 2, slot: 1 })
    engine.commit(2, 1, [0, 0, 0])
    engine.commit(2, 2, [0, 0, 4])
    assert.equal(engine.blocker(1, 1), { row: 0, slot: 2 })
    engine.commit(0, 2, [1, 0, 0])
    assert.equal(executed(engine), ['0.1', '2.1', '0.2'])
    assert.equal(engine.blocker(1, 1), { row: 2, slot: 3 })
    assert.is(engine.blocker(2, 3), null)
    assert.is(engine.blocker(0, 9), null)
  })

  test('a barrier waits for all before it, all after it wait for the barrier', (engine) => {
    enterAll(engine, { '0.1': write(1), '0.2': read(2), '1.1': barrier, '0.3': read(3), '2.1': write(4) })
    commitAll(engine, { '1.1': [2, 0, 0], '0.3': [2, 1, 0], '2.1': [0, 1, 0] })
    assert.equal(executed(engine), [])
    engine.commit(0, 2, [1, 0, 0])
    assert.equal(executed(engine), ['0.2'])
    engine.commit(0, 1, [0, 0, 0])
    assert.equal(executed(engine), ['0.1', '1.1', '2.1', '0.3'])
  })

  test('what a late commit completes comes with the components that waited for it', (engine) => {
    enterAll(engine, { '0.1': write(1), '1.1': write(1), '0.2': write(1), '1.2': write(1), '2.1': write(1) })
    commitAll(engine, { '0.2': [1, 2, 0], '1.2': [2, 1, 0], '1.1': [1, 0, 0], '2.1': [2, 2, 0] })
    assert.equal(executed(engine), [])
    engine.commit(0, 1, [0, 1, 0])
    assert.equal(executed(engine), ['0.1 1.1', '0.2 1.2', '2.1'])
  })

  test('more than 65,536 instances of a row follow each other (scenario 25)', (engine) => {
    const count = 70_000
    for (let slot = 1; slot <= count; slot++) {
      engine.commit(0, slot, engine.dependencies(0, slot, write(1)))
      if (slot % 10 !== 0) continue
      const components = engine.execute()
      assert.is(components.length, 30)
      assert.is(components[29], slot)
      if (slot % 100 === 0) engine.truncate([slot - 50, 0, 0])
    }
    assert.ok(engine.bytes < 50_000)
  })

  test('all memory of what is truncated is used again', (engine) => {
    const before = engine.bytes
    for (let round = 1; round <= 3; round++) {
      for (let slot = 20 * round - 19; slot <= 20 * round; slot++) {
        engine.enter(0, slot, write(slot, slot + 1, 5))
        engine.enter(1, slot, read(slot, 5))
        engine.enter(2, slot, slot % 2 ? barrier : read(5))
        commitAll(engine, { [`1.${slot}`]: [slot, slot - 1, slot], [`2.${slot}`]: [slot, slot, slot - 1] })
        engine.commit(0, slot, slot % 3 ? [slot - 1, slot, slot] : null)
      }
      assert.ok(engine.bytes > before)
      engine.execute()
      engine.truncate([20 * round, 20 * round, 20 * round])
      assert.is(engine.bytes, before)
    }
  })
}

function parse(id: string): [row: number, slot: number] {
  const [row, slot] = id.split('.').map(Number)
  return [row as number, slot as number]
}

function permutations<T>(items: T[]): T[][] {
  if (items.length < 2) return [items]
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]))
}

order.run()
