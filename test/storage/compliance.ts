import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Journal } from '../../src/storage/journal.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'

/** A place that keeps a journal: the journal is closed and opened again on it, within one test. */
export interface Subject {
  open(): Promise<Journal>
  /** From now on writes fail. */
  breakDisk?(): void
  remove(): Promise<void>
}

export interface Traits {
  /** The disk can be made to fail within this process. */
  readonly breaks: boolean
}

/** What every journal promises: run for each implementation. */
export function journalCompliance(name: string, create: () => Promise<Subject>, { breaks }: Traits): void {
  const journals = suite(`journal (${name})`)

  function test(title: string, body: (subject: Subject) => Promise<void>): void {
    journals(title, async () => {
      const subject = await create()
      try {
        await body(subject)
      } finally {
        await subject.remove()
      }
    })
  }

  test('an empty journal has no values, and numbers begin at 1', async (subject) => {
    const journal = await subject.open()
    assert.is(journal.last, 0)
    assert.is(journal.first, 1)
    assert.is(journal.bytes, 0)
    assert.is(journal.read(0), null)
    assert.is(journal.read(1), null)
    assert.equal([...journal.scan(1)], [])
    assert.is(journal.append(text('one')), 1)
    assert.is(journal.append(text('two')), 2)
    assert.is(journal.last, 2)
    await journal.close()
  })

  test('values are read and scanned in the order of their appends, durable or not', async (subject) => {
    const journal = await subject.open()
    const watch = watchDurable(journal)
    for (let number = 1; number <= 100; number++) assert.is(journal.append(text(`value ${number}`)), number)
    assert.equal(texts(journal), numbered(1, 100), 'before')
    await watch.reached(100)
    assert.equal(texts(journal), numbered(1, 100), 'after')
    assert.is(string(journal.read(37)), 'value 37')
    assert.is(journal.read(101), null)
    await journal.close()
  })

  test('what is durable only rises, up to the last value', async (subject) => {
    const journal = await subject.open()
    const watch = watchDurable(journal)
    for (let turn = 0; turn < 20; turn++) {
      for (let i = 0; i <= turn % 3; i++) journal.append(text('x'))
      await nextTurn()
    }
    await watch.reached(journal.last)
    assert.ok(
      watch.reports.every((upTo, i) => i === 0 || upTo > (watch.reports[i - 1] as number)),
      String(watch.reports),
    )
    assert.is(watch.reports.at(-1), journal.last)
    await journal.close()
  })

  test('a listener may append', async (subject) => {
    const journal = await subject.open()
    const done = new Promise<void>((resolve) => {
      journal.onDurable(
        (upTo) => (upTo < 10 ? journal.append(text('next')) : resolve()),
        (error) => assert.unreachable(error.message),
      )
    })
    journal.append(text('first'))
    await done
    assert.is(journal.last, 10)
    await journal.close()
  })

  test('the bytes that are read belong to the caller', async (subject) => {
    const journal = await subject.open()
    const watch = watchDurable(journal)
    journal.append(text('kept'))
    const before = journal.read(1) as Uint8Array
    before.fill(0)
    await watch.reached(1)
    const after = journal.read(1) as Uint8Array
    after.fill(0)
    for (const { value } of journal.scan(1)) value.fill(0)
    assert.is(string(journal.read(1)), 'kept')
    await journal.close()
  })

  test('empty, small and large values, and views into larger arrays, come back as they were', async (subject) => {
    const seed = freshSeed()
    const random = new Random(seed)
    const sizes = [0, 1, 7, 2000, 4096, 5000, 100_000, 3 << 20]
    const values = sizes.map((size) => bytes(random, size + 13).subarray(13))
    let journal = await subject.open()
    const watch = watchDurable(journal)
    for (const value of values) journal.append(value)
    await watch.reached(values.length)
    journal = await reopened(journal, subject)
    for (const [i, value] of values.entries())
      assert.ok(same(journal.read(i + 1), value), `${value.length} bytes, seed ${seed}`)
    assert.is(
      journal.bytes,
      sizes.reduce((sum, size) => sum + size, 0),
    )
    await journal.close()
  })

  test('a scan starts at the given number, and sees neither later values nor fewer', async (subject) => {
    const journal = await subject.open()
    const watch = watchDurable(journal)
    for (let number = 1; number <= 300; number++) journal.append(text(`value ${number}`))
    await watch.reached(200)
    for (let number = 301; number <= 310; number++) journal.append(text(`value ${number}`))
    const scan = journal.scan(150)
    for (let number = 311; number <= 330; number++) journal.append(text(`value ${number}`))
    const seen: string[] = []
    for (const { number, value } of scan) {
      assert.is(string(value), `value ${number}`)
      seen.push(string(value))
      if (number % 50 === 0) {
        journal.append(text(`value ${journal.last + 1}`))
        await watch.reached(journal.last)
      }
    }
    assert.equal(seen, numbered(150, 310))
    assert.equal([...journal.scan(journal.last + 1)], [])
    await journal.close()
  })

  test('a scan may be given up half-way', async (subject) => {
    const journal = await subject.open()
    const watch = watchDurable(journal)
    for (let number = 1; number <= 10; number++) journal.append(text(`value ${number}`))
    await watch.reached(10)
    for (let round = 0; round < 100; round++) for (const { number } of journal.scan(1)) if (number === 5) break
    journal.append(text('value 11'))
    await watch.reached(11)
    assert.equal(texts(journal), numbered(1, 11))
    await journal.close()
  })

  test('a scan during which the journal is closed reports that, and never the end', async (subject) => {
    const journal = await subject.open()
    const watch = watchDurable(journal)
    for (let number = 1; number <= 100; number++) journal.append(text(`value ${number}`))
    await watch.reached(100)
    const scan = journal.scan(1)[Symbol.iterator]()
    for (let number = 1; number <= 10; number++) assert.is(scan.next().value?.number, number)
    await journal.close()
    assert.throws(() => scan.next(), hasCode('closed'))
    assert.throws(() => [...journal.scan(1)], hasCode('closed'))
  })

  test('what is trimmed is gone, the rest and the bytes stay', async (subject) => {
    const journal = await subject.open()
    const watch = watchDurable(journal)
    for (let number = 1; number <= 2000; number++) journal.append(text(`value ${number}`))
    await watch.reached(2000)
    journal.trim(1500)
    assert.is(journal.first, 1500)
    assert.is(journal.read(1499), null)
    assert.is(string(journal.read(1500)), 'value 1500')
    assert.equal(texts(journal), numbered(1500, 2000))
    await until(() => journal.bytes === size(numbered(1500, 2000)))
    journal.trim(100)
    assert.equal(texts(journal), numbered(1500, 2000), 'trimming less takes nothing back')
    await journal.close()
  })

  test('values may be trimmed before they are durable', async (subject) => {
    const journal = await subject.open()
    const watch = watchDurable(journal)
    for (let number = 1; number <= 50; number++) journal.append(text(`value ${number}`))
    journal.trim(40)
    assert.equal(texts(journal), numbered(40, 50))
    await watch.reached(50)
    assert.equal(texts(journal), numbered(40, 50))
    await until(() => journal.bytes === size(numbered(40, 50)))
    await journal.close()
  })

  test('nothing is appended to a closed journal, and closing twice is closing', async (subject) => {
    const journal = await subject.open()
    await Promise.all([journal.close(), journal.close()])
    assert.throws(() => journal.append(text('late')), hasCode('closed'))
  })

  keepingTests(test)
  if (breaks) {
    test('a disk that fails is reported once, and nothing is durable afterwards', async (subject) => {
      await failureCompliance(await subject.open(), () => subject.breakDisk?.())
    })
  }

  journals.run()
}

type Test = (title: string, body: (subject: Subject) => Promise<void>) => void

/** What journals promise if they outlive their process. */
function keepingTests(test: Test): void {
  test('closing waits until everything is durable', async (subject) => {
    const journal = await subject.open()
    const watch = watchDurable(journal)
    for (let number = 1; number <= 500; number++) {
      journal.append(text(`value ${number}`))
      if (number % 100 === 0) await nextTurn()
    }
    await journal.close()
    assert.is(watch.reports.at(-1), 500)
    const again = await subject.open()
    assert.equal(texts(again), numbered(1, 500))
    await again.close()
  })

  test('what is appended while a write is in progress forms the next group', async (subject) => {
    const journal = await subject.open()
    const watch = watchDurable(journal)
    for (let number = 1; number <= 1000; number++) journal.append(text(`value ${number}`))
    await watch.reached(1000)
    assert.ok(watch.reports.length <= 2, `1000 values of one turn took ${watch.reports.length} groups`)
    await journal.close()
  })

  test('numbers and bytes go on after opening again, also when everything was trimmed', async (subject) => {
    let journal = await subject.open()
    for (let number = 1; number <= 700; number++) journal.append(text(`value ${number}`))
    journal = await reopened(journal, subject)
    assert.is(journal.last, 700)
    assert.is(journal.bytes, size(numbered(1, 700)))
    journal.trim(701)
    await until(() => journal.bytes <= size(numbered(700, 700)))
    journal = await reopened(journal, subject)
    assert.is(journal.last, 700)
    assert.is(journal.first, 700)
    assert.is(journal.append(text('value 701')), 701)
    journal = await reopened(journal, subject)
    assert.is(string(journal.read(701)), 'value 701')
    assert.is(journal.read(699), null)
    await journal.close()
  })

  test('random appending, trimming, reading and opening again agrees with a plain list', async (subject) => {
    const seed = freshSeed()
    const random = new Random(seed)
    let journal = await subject.open()
    let watch = watchDurable(journal)
    const list: Uint8Array[] = []
    let trimmed = 1
    for (let step = 0; step < 600; step++) {
      const choice = random.next()
      if (choice < 0.6) {
        for (let i = random.below(5); i >= 0; i--)
          list.push(bytes(random, random.below(random.chance(0.1) ? 9000 : 60)))
        for (const value of list.slice(journal.last)) journal.append(value)
      } else if (choice < 0.7) {
        const before = random.below(journal.last + 2)
        journal.trim(before)
        trimmed = Math.max(trimmed, Math.min(before, journal.last))
      } else if (choice < 0.8) {
        await watch.reached(journal.last)
      } else if (choice < 0.82) {
        journal = await reopened(journal, subject)
        journal.trim(trimmed)
        watch = watchDurable(journal, journal.last)
      } else if (choice < 0.98) {
        const number = trimmed + random.below(list.length - trimmed + 2)
        assert.ok(same(journal.read(number), list[number - 1] ?? null), `read ${number}, step ${step}, seed ${seed}`)
      } else {
        const from = trimmed + random.below(list.length - trimmed + 2)
        const found = [...journal.scan(from)]
        assert.equal(
          found.map(({ number }) => number),
          list.map((_, i) => i + 1).slice(from - 1),
          `step ${step}, seed ${seed}`,
        )
        assert.ok(
          found.every(({ number, value }) => same(value, list[number - 1] as Uint8Array)),
          `step ${step}, seed ${seed}`,
        )
      }
      if (random.chance(0.3)) await nextTurn()
    }
    volume('journal operations against a list', 600)
    await journal.close()
  })
}

/**
 * A journal whose disk begins to fail. What was durable before stays, the failure is reported once, as an error of
 * ours, and the journal accepts nothing more. Returns the number up to which values were durable; the journal is
 * closed.
 */
export async function failureCompliance(journal: Journal, breakDisk: () => void, valueBytes = 10): Promise<number> {
  const failures: Error[] = []
  let durable = 0
  journal.onDurable(
    (upTo) => {
      assert.is(failures.length, 0, 'nothing becomes durable after the failure')
      durable = upTo
    },
    (error) => failures.push(error),
  )
  journal.append(new Uint8Array(valueBytes).fill(1))
  await until(() => durable === 1)
  breakDisk()
  while (failures.length === 0) {
    for (let i = 0; i < 3; i++) journal.append(new Uint8Array(valueBytes).fill(journal.last + 1))
    await until(() => durable === journal.last || failures.length > 0)
  }
  hasCode('storage')(failures[0] as Error)
  assert.throws(() => journal.append(text('late')), hasCode('storage'))
  for (let turn = 0; turn < 10; turn++) await nextTurn()
  await journal.close()
  assert.is(failures.length, 1)
  return durable
}

/** Collects what the journal reports, beginning after `durable`. */
export function watchDurable(
  journal: Journal,
  durable = 0,
): { readonly reports: number[]; reached(number: number): Promise<void> } {
  const reports: number[] = []
  let failure: Error | null = null
  journal.onDurable(
    (upTo) => reports.push(upTo),
    (error) => {
      failure = error
    },
  )
  return {
    reports,
    reached: (number) =>
      until(() => {
        if (failure) throw failure
        return (reports.at(-1) ?? durable) >= number
      }),
  }
}

export async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 30_000
  while (!condition()) {
    if (Date.now() > end) assert.unreachable(`not within 30 s: ${condition}`)
    await nextTurn()
  }
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export function hasCode(code: string): (error: Error) => boolean {
  return (error) => {
    assert.is((error as Error & { code?: string }).code, code, error.message)
    return true
  }
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

function string(value: Uint8Array | null): string {
  return value ? new TextDecoder().decode(value) : 'nothing'
}

function texts(journal: Journal): string[] {
  return [...journal.scan(1)].map(({ value }) => string(value))
}

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `value ${from + i}`)
}

function size(values: string[]): number {
  return values.reduce((sum, value) => sum + value.length, 0)
}

function bytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256))
}

function same(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.compare(a, b) === 0
}

async function reopened(journal: Journal, subject: Subject): Promise<Journal> {
  await journal.close()
  return subject.open()
}
