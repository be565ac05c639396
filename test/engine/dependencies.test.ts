import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { barrier, engines, footprint, read, write } from './engines.ts'

const dependencies = suite('engine: dependencies')

for (const { name, open } of engines) {
  const test = (title: string, run: (engine: Awaited<ReturnType<typeof open>>) => void) =>
    dependencies(`${name}: ${title}`, async () => run(await open(3)))

  test('the own row is all that came before, also slots never seen', (engine) => {
    assert.equal(engine.dependencies(1, 7, write(1)), [0, 6, 0])
  })

  test('a write depends on writes and reads, a read only on writes', (engine) => {
    engine.enter(0, 1, write(1))
    engine.enter(1, 4, read(1))
    assert.equal(engine.dependencies(2, 1, write(1)), [1, 4, 0])
    assert.equal(engine.dependencies(2, 2, read(1)), [1, 0, 1])
    assert.equal(engine.dependencies(2, 3, write(2)), [0, 0, 2])
  })

  test('the highest slot of a row counts, in whatever order payloads came', (engine) => {
    engine.enter(0, 9, write(1))
    engine.enter(0, 3, write(1))
    assert.equal(engine.dependencies(1, 1, read(1)), [9, 0, 0])
  })

  test('a batch that touches two keys depends on both, the second with the later conflict (scenario 7)', (engine) => {
    engine.enter(0, 1, write(1))
    engine.enter(0, 2, write(2))
    engine.enter(1, 5, write(2))
    assert.equal(engine.dependencies(2, 1, write(1, 2)), [2, 5, 0])
    assert.equal(engine.dependencies(2, 2, footprint([1], [2])), [2, 5, 1])
  })

  test('"everything" meets all, keys or none, in both directions', (engine) => {
    engine.enter(0, 1, read(1))
    engine.enter(1, 1, write())
    assert.equal(engine.dependencies(2, 1, barrier), [1, 1, 0])
    assert.equal(engine.dependencies(0, 2, write()), [0 + 1, 0, 1])
    assert.equal(engine.dependencies(1, 2, read(9)), [0, 1, 1])
  })

  test('an instance never depends on itself, entered before or not', (engine) => {
    const both = footprint([1, 1], [1])
    assert.equal(engine.dependencies(0, 1, both), [0, 0, 0])
    assert.equal(engine.dependencies(0, 1, both), [0, 0, 0])
    assert.equal(engine.dependencies(1, 1, write(1)), [1, 0, 0])
    assert.equal(engine.dependencies(0, 1, both), [0, 1, 0])
  })

  test('a key named twice is a key', (engine) => {
    engine.enter(0, 1, footprint([1, 1, 2], [2, 2]))
    engine.commit(0, 1, [0, 0, 0])
    assert.equal([...engine.execute()], [1, 0, 1])
    engine.truncate([1, 0, 0])
    assert.equal(engine.dependencies(1, 1, write(1, 2)), [0, 0, 0])
  })

  test('a no-op stays in the index under its payload, and enters it when that comes late', (engine) => {
    engine.enter(0, 1, write(1))
    engine.commit(0, 1, null)
    engine.commit(1, 1, null)
    engine.execute()
    assert.equal(engine.dependencies(2, 1, write(1)), [1, 0, 0])
    engine.enter(1, 1, write(1))
    assert.equal(engine.dependencies(2, 2, write(1)), [1, 1, 1])
    assert.equal(engine.writers(1, 0), [1, 1, 2])
  })

  test('the writers of a key are its own and those of everything, readers are not', (engine) => {
    engine.enter(0, 2, write(1))
    engine.enter(0, 3, read(1))
    engine.enter(1, 1, barrier)
    assert.equal(engine.writers(1, 0), [2, 1, 0])
    assert.equal(engine.writers(2, 0), [0, 1, 0])
    assert.equal(engine.writers(1, 1), [0, 1, 0])
  })

  test('the writers of many keys are those of each, beyond a prefix', (engine) => {
    engine.enter(0, 2, write(1))
    engine.enter(2, 5, write(1, 3))
    const keys = Uint32Array.of(1, 0, 2, 0, 3, 0, 1, 0)
    assert.equal([...engine.writersBeyond(keys, [0, 0, 0])], [0, 0, 2, 0, 2, 5, 2, 2, 5, 3, 0, 2, 3, 2, 5])
    assert.equal([...engine.writersBeyond(keys, [2, 0, 4])], [0, 2, 5, 2, 2, 5, 3, 2, 5])
    assert.equal([...engine.writersBeyond(keys, [2, 0, 5])], [])
    assert.equal([...engine.writersBeyond(Uint32Array.of(), [0, 0, 0])], [])
    engine.enter(1, 1, barrier)
    assert.equal([...engine.writersBeyond(Uint32Array.of(9, 9), [0, 0, 0])], [0, 1, 1])
    const many = Uint32Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? i / 2 : 0))
    for (let i = 100; i < 200; i++) engine.enter(1, 2 + i, write(i))
    const expected = Array.from({ length: 200 }, (_, i) => [i, 1, i < 100 ? 1 : 2 + i])
    assert.equal([...engine.writersBeyond(many, [2, 0, 5])], expected.flat())
  })

  test('conflicts are all that interferes outside a prefix, executed and no-op alike, by slot', (engine) => {
    engine.enter(0, 1, write(1))
    engine.enter(0, 2, read(1))
    engine.enter(0, 3, write(2))
    engine.enter(1, 1, write(1))
    engine.enter(1, 2, barrier)
    engine.enter(2, 2, read(1, 2))
    engine.commit(0, 1, [0, 0, 0])
    engine.commit(1, 1, null)
    engine.execute()
    const ids = (payload: Uint32Array, beyond: number[]) =>
      engine.conflicts(2, 1, payload, beyond).map(({ row, slot }) => `${row}.${slot}`)
    assert.equal(ids(write(1), [0, 0, 0]), ['0.1', '1.1', '0.2', '1.2', '2.2'])
    assert.equal(ids(read(1), [0, 0, 0]), ['0.1', '1.1', '1.2'])
    assert.equal(ids(read(1), [1, 1, 0]), ['1.2'])
    assert.equal(ids(barrier, [2, 2, 2]), ['0.3'])
    assert.equal(engine.conflicts(0, 3, write(2), [2, 9, 9]), [])
  })

  test('what is truncated leaves the index and stays out', (engine) => {
    for (let slot = 1; slot <= 3; slot++) engine.commit(0, slot, engine.dependencies(0, slot, write(1)))
    engine.enter(1, 1, barrier)
    engine.commit(1, 1, [0, 0, 0])
    engine.execute()
    engine.truncate([2, 0, 0])
    assert.equal(engine.dependencies(2, 1, write(1)), [3, 1, 0])
    assert.equal(engine.conflicts(2, 1, write(1), [0, 1, 0]), [{ row: 0, slot: 3 }])
    engine.truncate([3, 1, 0])
    engine.enter(0, 3, write(1))
    engine.commit(0, 3, [2, 0, 0])
    assert.equal(engine.dependencies(2, 2, write(1)), [0, 0, 1])
    assert.is(engine.pending, 0)
  })

  test('many keys are distinguished while they come and go, also those whose hashes fall together', (engine) => {
    const lanes = (i: number): [number, number] =>
      i % 10 ? [Math.imul(i, 0x9e3779b1) >>> 0, i] : [((i << 15) | (i >>> 17)) >>> 0, i]
    const count = 6000
    for (let i = 1; i <= count; i++) engine.commit(0, i, engine.dependencies(0, i, Uint32Array.of(1, ...lanes(i))))
    for (let i = 1; i <= count; i++) assert.is(engine.writers(...lanes(i))[0], i)
    engine.execute()
    engine.truncate([count / 2, 0, 0])
    for (let i = 1; i <= count; i++) assert.is(engine.writers(...lanes(i))[0], i > count / 2 ? i : 0)
    engine.truncate([count, 0, 0])
    for (let i = 1; i <= count; i++) assert.is(engine.writers(...lanes(i))[0], 0)
  })

  test('slots around 2³² and up to 2⁵³ are distinct, and take no extra memory (scenario 25)', (engine) => {
    const slots = [1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 33 + 1, Number.MAX_SAFE_INTEGER]
    for (const slot of slots) {
      assert.is(engine.dependencies(0, slot, write(1))[0], slot - 1)
      assert.is(engine.writers(1, 0)[0], slot)
    }
    for (const slot of slots) engine.commit(0, slot, [0, 0, 0])
    assert.equal(
      [...engine.execute()],
      slots.flatMap((slot) => [1, 0, slot]),
    )
    assert.ok(engine.bytes < 5000)
  })

  test('a call out of range is refused and changes nothing', (engine) => {
    const refused = (call: () => unknown) =>
      assert.throws(call, (error: unknown) => error instanceof RangeError && error.message.length > 5)
    for (const row of [-1, 3, 0.5, Number.NaN]) refused(() => engine.enter(row, 1, write(1)))
    for (const slot of [0, -1, 1.5, 2 ** 53, Number.NaN]) refused(() => engine.dependencies(0, slot, write(1)))
    for (const words of [[], [0, 1], [2, 1, 1]]) refused(() => engine.enter(0, 1, Uint32Array.from(words)))
    for (const deps of [[], [0, 0], [0, 0, 0, 0], [0, 0, -1], [0, 0, 0.5], [0, 0, 2 ** 53]]) {
      refused(() => engine.commit(0, 1, deps))
      refused(() => engine.truncate(deps))
      refused(() => engine.conflicts(0, 1, write(1), deps))
    }
    refused(() => engine.commit(0, 1, [0, 0, 0]))
    refused(() => engine.truncate([1, 0, 0]))
    refused(() => engine.writers(-1, 0))
    refused(() => engine.writersBeyond(Uint32Array.of(1), [0, 0, 0]))
    refused(() => engine.writersBeyond(Uint32Array.of(1, 2), [0, 0]))
    assert.equal(engine.dependencies(1, 1, barrier), [0, 0, 0])
    assert.is(engine.pending, 0)
  })

  dependencies(`${name}: from 1 to 16 replicas are served, no other number`, async () => {
    for (const replicas of [0, 17, -1, 1.5, Number.NaN]) {
      const error = await open(replicas)
        .then(() => null)
        .catch((reason: unknown) => reason)
      assert.instance(error, RangeError)
    }
    for (const replicas of [1, 9, 16]) {
      const engine = await open(replicas)
      for (let row = 0; row < replicas; row++) engine.enter(row, row + 1, write(1))
      const expected = Array.from({ length: replicas }, (_, row) => row + 1)
      assert.equal(engine.writers(1, 0), expected)
    }
  })
}

dependencies.run()
