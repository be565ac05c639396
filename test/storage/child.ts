/**
 * What the storage tests do in processes of their own, to kill them or to make their disk fail: `child.ts VERB
 * DIRECTORY …`. Reports on stdout, line by line.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { EpaxosError } from '../../src/errors.ts'
import type { CheckpointReader, CheckpointStore } from '../../src/storage/checkpoints.ts'
import { DataDirectory } from '../../src/storage/directory.ts'
import { LmdbJournal } from '../../src/storage/lmdb.ts'
import { openCheckpoints } from '../../src/storage/lmdb-checkpoints.ts'
import { DirectoryLock } from '../../src/storage/lock.ts'
import { Random } from '../support/random.ts'
import { header, imageOf, take } from './checkpoint-compliance.ts'
import { failureCompliance, watchDurable } from './compliance.ts'
import { owner, testValue } from './processes.ts'

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

const verbs: Record<string, (directory: string, argument: string) => Promise<void>> = {
  /** Appends for ever, a few values per turn, and reports up to which number they are durable. */
  async append(directory) {
    const journal = await LmdbJournal.open(directory)
    let durable = journal.last
    journal.onDurable(
      (upTo) => {
        durable = upTo
        say(`${upTo}`)
      },
      (error) => {
        throw error
      },
    )
    const turn = () => {
      if (journal.last < durable + 50)
        for (let i = journal.last % 3; i >= 0; i--) journal.append(testValue(journal.last + 1))
      if (journal.last % 100 < 3) journal.trim(journal.last - 500)
      setImmediate(turn)
    }
    turn()
  },

  /** Appends `groups` values, each after the previous one is durable. */
  async groups(directory, groups) {
    const journal = await LmdbJournal.open(directory)
    const first = journal.last
    await new Promise<void>((resolve, reject) => {
      journal.onDurable((upTo) => {
        if (upTo - first === Number(groups)) resolve()
        else journal.append(testValue(upTo + 1))
      }, reject)
      journal.append(testValue(first + 1))
    })
    await journal.close()
    say('done')
  },

  /** Appends until the file reaches the size limit that the starter of this process has set. */
  async fill(directory) {
    process.on('SIGXFSZ', () => {})
    const journal = await LmdbJournal.open(directory)
    const durable = await failureCompliance(journal, () => {}, 3000)
    say(`failed after ${durable}`)
  },

  /** Opens copies of a journal, each damaged in another way, uses them, and reports how often each outcome came. */
  async damage(directory, seed) {
    const original = join(directory, 'original')
    await fillJournal(original)
    const file = await readFile(join(original, 'data.mdb'))
    const outcomes: Record<string, number> = {}
    for (const [i, damaged] of damagedCopies(file, new Random(Number(seed))).entries()) {
      const copy = join(directory, `${i}`)
      await mkdir(copy)
      await writeFile(join(copy, 'data.mdb'), damaged)
      const outcome = await use(copy)
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      await rm(copy, { recursive: true })
    }
    say(JSON.stringify(outcomes))
  },

  /** Takes checkpoints for ever, and reports each that is finished. */
  async checkpoints(directory) {
    const store = await openCheckpoints(directory)
    const reader = store.latest()
    let number = reader?.header.journal ?? 0
    reader?.close()
    for (;;) {
      number++
      const core = new TextEncoder().encode(`${number}`)
      await take(store, { machine: new Uint8Array(2_000_000).fill(number % 251), core }, header(number))
      say(`${number}`)
    }
  },

  /** Takes a small checkpoint, one that is larger than the limit on the size of files, and another small one. */
  async 'full-checkpoints'(directory) {
    process.on('SIGXFSZ', () => {})
    const store = await openCheckpoints(directory)
    for (const [number, size] of [100_000, 9_000_000, 500_000].entries()) {
      const writer = store.begin(header(number + 1))
      try {
        for (let at = 0; at < size; at += 100_000) await writer.append('machine', new Uint8Array(100_000))
        await writer.finish()
        say(`finished ${number + 1}`)
      } catch (error) {
        say((error as EpaxosError).code)
        await writer.abandon()
      }
      if (number > 0) say(`latest ${store.latest()?.header.journal}`)
    }
    await store.close()
  },

  /** Reads copies of a checkpoint, each damaged in another way, and reports how often each outcome came. */
  async 'damaged-checkpoints'(directory, seed) {
    const random = new Random(Number(seed))
    const image = Object.fromEntries(['machine', 'core'].map((name) => [name, randomBytes(random, 150_000)]))
    const original = join(directory, 'original')
    const store = await openCheckpoints(original)
    await take(store, image)
    await store.close()
    const file = await readFile(join(original, '1', 'data.mdb'))
    const outcomes: Record<string, number> = {}
    for (const [i, damaged] of [...damagedCopies(file, random), ...flippedCopies(file, random)].entries()) {
      const copy = join(directory, `${i}`)
      await mkdir(join(copy, '1'), { recursive: true })
      await writeFile(join(copy, '1', 'data.mdb'), damaged)
      const outcome = await readCheckpoint(copy, image)
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      await rm(copy, { recursive: true })
    }
    say(JSON.stringify(outcomes))
  },

  /** Opens the data directory, and keeps it until the process is killed. */
  async hold(directory) {
    await DataDirectory.open(directory, owner)
    say('held')
    setInterval(() => {}, 1000)
  },

  /**
   * For each line on stdin, tries to lock the directory several times at once. Reports how often it succeeded, then
   * keeps the lock until the process is killed.
   */
  async race(directory) {
    say('ready')
    for await (const line of createInterface({ input: process.stdin })) {
      const attempts = Array.from({ length: Number(line) }, () => DirectoryLock.acquire(directory))
      const outcomes = await Promise.allSettled(attempts)
      const others = outcomes.filter((outcome) => outcome.status === 'rejected' && outcome.reason.code !== 'locked')
      for (const other of others) say(`${(other as PromiseRejectedResult).reason}`)
      say(`${outcomes.filter((outcome) => outcome.status === 'fulfilled').length}`)
    }
  },
}

/** A journal whose tree has several levels, large and small values, and free pages. */
async function fillJournal(directory: string): Promise<void> {
  const journal = await LmdbJournal.open(directory)
  const watch = watchDurable(journal)
  for (let number = 1; number <= 600; number++) {
    journal.append(testValue(number))
    if (number % 50 === 0) await watch.reached(number)
    if (number % 200 === 0) journal.trim(number - 150)
  }
  await journal.close()
}

/** The file cut off, with one page of garbage or of zeros, and other files altogether. */
function damagedCopies(file: Buffer, random: Random): Uint8Array[] {
  const pages = file.length / 4096
  const changed = (start: number, bytes: number, byte: () => number) => {
    const copy = Buffer.from(file)
    for (let i = start; i < start + bytes; i++) copy[i] = byte()
    return copy
  }
  const copies: Uint8Array[] = [
    Buffer.alloc(0),
    Buffer.alloc(100),
    Buffer.alloc(1 << 20),
    Buffer.from('#!/bin/sh\n'.repeat(5000)),
  ]
  for (let i = 0; i < 30; i++) copies.push(file.subarray(0, random.below(file.length)))
  for (let page = 0; page < pages; page += 2) copies.push(changed(page * 4096, 4096, () => random.below(256)))
  for (let i = 0; i < 30; i++) copies.push(changed(random.below(pages) * 4096, 4096, () => 0))
  return copies
}

/** Reads, appends and trims; returns the code of the error, or that there was none. */
async function use(directory: string): Promise<string> {
  try {
    const journal = await LmdbJournal.open(directory)
    try {
      const watch = watchDurable(journal, journal.last)
      for (const { number } of journal.scan(1)) journal.read(number)
      const number = journal.append(testValue(1))
      await watch.reached(number)
      journal.trim(number)
      return 'usable'
    } finally {
      await journal.close()
    }
  } catch (error) {
    return error instanceof EpaxosError ? error.code : String(error)
  }
}

function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256))
}

/** The file with one bit flipped. */
function* flippedCopies(file: Buffer, random: Random): Iterable<Uint8Array> {
  for (let i = 0; i < 300; i++) {
    const copy = Buffer.from(file)
    // Half of them where the trees are, which is little of the file.
    const at = random.chance(0.5) ? random.below(3 * 4096) : random.below(file.length)
    copy[at] = (copy[at] as number) ^ (1 << random.below(8))
    yield copy
  }
}

/** Returns the code of the error, or whether everything is as it was written. */
async function readCheckpoint(directory: string, image: Record<string, Uint8Array>): Promise<string> {
  let store: CheckpointStore | null = null
  try {
    store = await openCheckpoints(directory)
    const read = imageOf(store.latest() as CheckpointReader)
    const isSame = Object.entries(image).every(([name, bytes]) => Buffer.compare(bytes, read[name] ?? bytes) === 0)
    return isSame && Object.keys(read).length === 2 ? 'harmless' : 'SILENTLY DIFFERENT'
  } catch (error) {
    return error instanceof EpaxosError ? error.code : String(error)
  } finally {
    await store?.close()
  }
}

const [verb = '', directory = '', argument = ''] = process.argv.slice(2)
await verbs[verb]?.(directory, argument)
