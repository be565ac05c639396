import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LmdbJournal } from '../../src/storage/lmdb.ts'
import { freshSeed } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { journalCompliance, text, until, watchDurable } from './compliance.ts'
import { testValue, withDirectory } from './processes.ts'

journalCompliance(
  'lmdb',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'epaxos-journal-'))
    return {
      open: () => LmdbJournal.open(directory),
      remove: () => rm(directory, { recursive: true }),
    }
  },
  { breaks: false },
)

const lmdb = suite('lmdb journal')

/**
 * Opens the journal and checks that every value is the one that a child appends under its number; returns the last
 * number.
 */
async function verified(directory: string): Promise<number> {
  const journal = await LmdbJournal.open(directory)
  let next: number | null = null
  for (const { number, value } of journal.scan(1)) {
    assert.is(number, next ?? number, 'no gaps')
    assert.ok(Buffer.compare(value, testValue(number)) === 0, `value ${number}`)
    next = number + 1
  }
  const { last } = journal
  assert.is(next ?? 1, last + 1)
  await journal.close()
  return last
}

lmdb('a journal whose name was overwritten in its file is damaged, not new and empty', () =>
  withDirectory(async (directory) => {
    const journal = await LmdbJournal.open(directory)
    journal.onDurable(() => {}, assert.unreachable)
    journal.append(testValue(1))
    await journal.close()
    const file = join(directory, 'data.mdb')
    const bytes = await readFile(file)
    for (let at = bytes.indexOf('journal'); at >= 0; at = bytes.indexOf('journal', at + 1)) {
      bytes[at] = (bytes[at] as number) ^ 1
    }
    await writeFile(file, bytes)
    await LmdbJournal.open(directory).then(
      () => assert.unreachable(),
      (error) => assert.is(error.code, 'damaged', error.message),
    )
  }),
)

lmdb('after kill -9, in the middle of appending and trimming, all that was durable is there', () =>
  withDirectory(async (directory, start) => {
    let durable = 0
    for (const lines of [1, 40, 200]) {
      const child = start(['append', directory])
      await child.said(lines)
      await child.kill()
      const said = Number(child.lines.at(-1))
      assert.ok(said > durable, 'numbers go on')
      durable = await verified(directory)
      assert.ok(durable >= said, `${said} was durable, ${durable} is there`)
    }
    volume('values appended before kill -9', durable)
  }),
)

lmdb('a file that can grow no more fails the journal, once; what was durable is there afterwards (scenario 28)', () =>
  withDirectory(async (directory, start) => {
    const blocks = 700
    const child = start(['fill', directory], ['bash', '-c', `ulimit -f ${blocks}; exec "$@"`, 'bash'])
    assert.is(await child.exited(), 0, child.errors.join('\n'))
    const durable = Number(/^failed after (\d+)$/.exec(child.lines.at(-1) ?? '')?.[1])
    assert.ok(durable > 10, child.lines.join('\n'))
    const journal = await LmdbJournal.open(directory)
    assert.is(journal.last, durable)
    for (const { number, value } of journal.scan(1)) assert.is(value[0], number & 255)
    const watch = watchDurable(journal, durable)
    assert.is(journal.append(text('there is space again')), durable + 1)
    await watch.reached(durable + 1)
    await journal.close()
  }),
)

lmdb('a damaged file is an error or does not matter: it never ends the process', () =>
  withDirectory(async (directory, start) => {
    const seed = freshSeed()
    const child = start(['damage', directory, `${seed}`])
    assert.is(await child.exited(), 0, `seed ${seed}: ${child.errors.join('\n')}`)
    const { usable, damaged, storage, ...others } = JSON.parse(child.lines.at(-1) ?? '')
    assert.equal(others, {}, `seed ${seed}`)
    assert.ok(damaged > 40 && usable > 20, `${damaged} damaged, ${usable} usable, seed ${seed}`)
    volume('damaged journal files', usable + damaged + (storage ?? 0))
  }),
)

lmdb('every durable group is a sync of the disk', () =>
  withDirectory(async (directory, start) => {
    if (spawnSync('strace', ['-V']).error) return console.log('skipped: there is no strace')
    const counts = join(directory, 'strace')
    const strace = ['strace', '-f', '-c', '-e', 'trace=fsync,fdatasync,msync', '-o', counts]
    const child = start(['groups', join(directory, 'journal'), '50'], strace)
    assert.is(await child.exited(), 0, child.errors.join('\n'))
    const table = await readFile(counts, 'utf8')
    const syncs = [...table.matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s.*sync$/gm)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    )
    assert.ok(syncs >= 50, `${syncs} syncs for 50 groups:\n${table}`)
  }),
)

lmdb('numbers keep their order beyond 2³² and up to 2⁵³', () =>
  withDirectory(async (directory) => {
    for (const start of [
      254,
      65_534,
      2 ** 31 - 2,
      2 ** 32 - 3,
      2 ** 40 - 2,
      2 ** 52 - 2,
      Number.MAX_SAFE_INTEGER - 8,
    ]) {
      const path = join(directory, `${start}`)
      const raw = open({ path, noSubdir: false, overlappingSync: false })
      await raw.openDB('journal', { encoding: 'binary', useVersions: true }).put(start, text('seed'), 1000)
      await raw.close()
      const journal = await LmdbJournal.open(path)
      const watch = watchDurable(journal, start)
      for (let i = 1; i <= 6; i++) assert.is(journal.append(text(`${start + i}`)), start + i)
      await watch.reached(start + 6)
      const numbers = [...journal.scan(start)].map(({ number }) => number)
      assert.equal(
        numbers,
        Array.from({ length: 7 }, (_, i) => start + i),
      )
      journal.trim(start + 6)
      await until(() => journal.bytes === `${start + 6}`.length)
      await journal.close()
    }
  }),
)

lmdb.run()
