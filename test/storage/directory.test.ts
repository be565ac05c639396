import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpaxosError } from '../../src/errors.ts'
import { DataDirectory, JOINER, type Owner } from '../../src/storage/directory.ts'
import { LmdbJournal } from '../../src/storage/lmdb.ts'
import { DiskSpace, NEARLY_FULL_BYTES } from '../../src/storage/space.ts'
import { text } from './compliance.ts'
import { owner, withDirectory } from './processes.ts'

const directories = suite('data directory')

async function refusal(directory: string, by: Owner = owner): Promise<EpaxosError> {
  try {
    await DataDirectory.open(directory, by)
  } catch (error) {
    assert.instance(error, EpaxosError)
    return error as EpaxosError
  }
  return assert.unreachable('opened') as never
}

/** A directory that was created and closed, with one value in its journal. */
async function made(directory: string): Promise<string> {
  const path = join(directory, 'data')
  const data = await DataDirectory.open(path, owner)
  const journal = await LmdbJournal.open(data.journalPath)
  journal.append(text('a vote'))
  await journal.close()
  await data.close()
  return path
}

directories('a new directory is made for this user only, and keeps its incarnation', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'a', 'b')
    const data = await DataDirectory.open(path, owner)
    const { incarnation } = data
    assert.is(incarnation.length, 16)
    assert.is((await stat(path)).mode & 0o777, 0o700)
    await data.close()
    const again = await DataDirectory.open(path, owner)
    assert.equal(again.incarnation, incarnation)
    await again.close()
    const other = await DataDirectory.open(join(directory, 'c'), owner)
    assert.not.equal(other.incarnation, incarnation)
    await other.close()
  }),
)

const RETURNING = { id: 1, members: [[0, 'a:7100'] as const, [2, 'b:7100'] as const] }

directories('the directory of a removed replica is renewed: empty, another incarnation, the same command line', () =>
  withDirectory(async (directory) => {
    const path = await made(directory)
    const removed = await DataDirectory.open(path, owner)
    await mkdir(removed.checkpointsPath)
    await removed.renew(RETURNING)
    await removed.close()
    const joiner = await DataDirectory.open(path, owner)
    assert.not.equal(joiner.incarnation, removed.incarnation)
    assert.equal([removed.returning, joiner.returning, joiner.origin], [null, RETURNING, null])
    const journal = await LmdbJournal.open(joiner.journalPath)
    assert.is(journal.last, 0)
    await journal.close()
    assert.not.ok((await readdir(path)).includes('checkpoints'))
    // It may be removed a second time.
    await joiner.renew({ ...RETURNING, id: 5 })
    await joiner.close()
    const again = await DataDirectory.open(path, owner)
    assert.is(again.returning?.id, 5)
    await again.close()
    await (await DataDirectory.open(path, { ...owner, id: JOINER, replicas: 0 })).close()
    assert.is((await refusal(path, { ...owner, id: 2 })).code, 'foreign_directory')
  }),
)

directories('a renewal that a crash interrupts is finished by the next start: nothing of the old replica is left', () =>
  withDirectory(async (directory) => {
    const path = await made(directory)
    const file = join(path, 'identity.json')
    const identity = JSON.parse(await readFile(file, 'utf8'))
    const before = { id: owner.id, replicas: owner.replicas }
    const renewing = { ...identity, id: JOINER, replicas: 0, before, returning: RETURNING, renewing: true }
    for (const gone of [[], ['journal'], ['journal', '.new-journal']]) {
      await writeFile(file, JSON.stringify(renewing))
      for (const name of gone) await rm(join(path, name), { recursive: true, force: true })
      const opened = await DataDirectory.open(path, owner)
      const journal = await LmdbJournal.open(opened.journalPath)
      assert.is(journal.last, 0)
      await journal.close()
      await opened.close()
      assert.is(JSON.parse(await readFile(file, 'utf8')).renewing, undefined)
    }
    for (const wrong of [{ before: 1 }, { returning: { id: 1 } }, { returning: { id: 1, members: [[0]] } }]) {
      await writeFile(file, JSON.stringify({ ...identity, ...wrong }))
      assert.match((await refusal(path)).message, /damaged identity/)
    }
  }),
)

directories('an empty directory that exists is taken', () =>
  withDirectory(async (directory) => {
    await (await DataDirectory.open(directory, owner)).close()
  }),
)

directories(
  'another cluster, replica, number of replicas, or a newer or older format is refused, and nothing changes',
  () =>
    withDirectory(async (directory) => {
      const path = await made(directory)
      const before = await readFile(join(path, 'identity.json'), 'utf8')
      const others: [Partial<Owner>, RegExp][] = [
        [{ cluster: 'other' }, /belongs to cluster test, not other/],
        [{ id: 2 }, /belongs to replica 1, not 2/],
        [{ replicas: 5 }, /a cluster of 3 replicas, not 5/],
        [{ formatVersion: owner.formatVersion - 1 }, /written by a newer version/],
        [{ formatVersion: owner.formatVersion + 1 }, /old format/],
      ]
      for (const [difference, message] of others) {
        const error = await refusal(path, { ...owner, ...difference })
        assert.is(error.code, 'foreign_directory')
        assert.match(error.message, message)
      }
      assert.is(await readFile(join(path, 'identity.json'), 'utf8'), before)
      await (await DataDirectory.open(path, owner)).close()
    }),
)

directories('a damaged identity is refused', () =>
  withDirectory(async (directory) => {
    const path = await made(directory)
    const file = join(path, 'identity.json')
    const whole = await readFile(file, 'utf8')
    const damages = [
      '',
      '\0\0\0\0',
      'null',
      '[]',
      '7',
      '{}',
      whole.slice(0, -20),
      whole.replace(/"incarnation": ".."?/, '"incarnation": "'),
    ]
    for (const damage of [...damages, whole.replace('"id": 1', '"id": "1"'), whole.replace('"test"', 'null')]) {
      assert.not.equal(damage, whole)
      await writeFile(file, damage)
      const error = await refusal(path)
      assert.is(error.code, 'foreign_directory', damage)
      assert.match(error.message, 'damaged identity.json')
    }
    await writeFile(file, whole)
    await (await DataDirectory.open(path, owner)).close()
  }),
)

directories('a directory with something else in it is refused and left alone', () =>
  withDirectory(async (directory) => {
    await writeFile(join(directory, 'thesis.tex'), 'years of work')
    const error = await refusal(directory)
    assert.is(error.code, 'foreign_directory')
    assert.match(error.message, 'thesis.tex')
    assert.equal(await readdir(directory), ['thesis.tex'])
    assert.is((await refusal(join(directory, 'thesis.tex'))).code, 'storage')
  }),
)

directories('a directory that lost its identity, or its journal, is refused: it must not vote again', () =>
  withDirectory(async (directory) => {
    const path = await made(directory)
    await rename(join(path, 'identity.json'), join(directory, 'lost'))
    const amnesiac = await refusal(path)
    assert.is(amnesiac.code, 'foreign_directory')
    assert.match(amnesiac.message, 'has a journal but no identity.json')
    await rename(join(directory, 'lost'), join(path, 'identity.json'))
    await rm(join(path, 'journal'), { recursive: true })
    const emptied = await refusal(path)
    assert.is(emptied.code, 'damaged')
    assert.match(emptied.message, 'is gone')
  }),
)

directories('a crash at any moment of the making is finished, or begun again, by the next start', () =>
  withDirectory(async (directory) => {
    const before = join(directory, 'before-the-identity')
    await (await LmdbJournal.open(join(before, '.new-journal'))).close()
    await writeFile(join(before, '.unfinished-identity.json-012345'), '{"clus')
    await mkdir(join(before, '.lock-012345'))
    await (await DataDirectory.open(before, owner)).close()

    const after = await made(directory)
    await rename(join(after, 'journal'), join(after, '.new-journal'))
    const data = await DataDirectory.open(after, owner)
    const journal = await LmdbJournal.open(data.journalPath)
    assert.is(journal.last, 1)
    await journal.close()
    await data.close()
  }),
)

directories('a directory in use is refused, to this process and to others, and free after kill -9 (scenario 29)', () =>
  withDirectory(async (directory, start) => {
    const path = join(directory, 'data')
    const holder = start(['hold', path])
    assert.is(await holder.said(1), 'held')
    const error = await refusal(path)
    assert.is(error.code, 'locked')
    assert.match(error.message, path)
    assert.is((await refusal(path, { ...owner, cluster: 'other' })).code, 'locked')
    const second = start(['hold', path])
    assert.is.not(await second.exited(), 0)
    assert.match(second.errors.join('\n'), 'is used by another process')
    await holder.kill()
    const data = await DataDirectory.open(path, owner)
    assert.is((await refusal(path)).code, 'locked')
    await data.close()
  }),
)

directories('of many starts on one empty directory one makes it, and the others learn that it is locked', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'data')
    const starts = await Promise.allSettled(Array.from({ length: 12 }, () => DataDirectory.open(path, owner)))
    const opened = starts.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    for (const outcome of starts)
      if (outcome.status === 'rejected') assert.is(outcome.reason.code, 'locked', outcome.reason)
    assert.is(opened.length, 1)
    await opened[0]?.close()
  }),
)

directories('the free space is known', async () => {
  const free = await (await DiskSpace.of('/')).free()
  assert.ok(free > 0)
  assert.ok(Number.isSafeInteger(free))
  assert.ok(NEARLY_FULL_BYTES > 4 * (16 << 20))
})

directories.run()
