import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { CheckpointReader } from '../../src/storage/checkpoints.ts'
import { openCheckpoints } from '../../src/storage/lmdb-checkpoints.ts'
import { tear } from '../../src/storage/tear.ts'
import { freshSeed } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { checkpointCompliance, header, imageOf, take } from './checkpoint-compliance.ts'
import { hasCode, text } from './compliance.ts'
import { withDirectory } from './processes.ts'

checkpointCompliance('lmdb', async () => {
  const root = await mkdtemp(join(tmpdir(), 'epaxos-checkpoints-'))
  let path = join(root, '0')
  return {
    open: () => openCheckpoints(path),
    count: () => readdirSync(path).length,
    crash: async (store) => {
      const copy = join(root, `${readdirSync(root).length}`)
      await copyAsAfterKill(path, copy)
      await store.close()
      path = copy
    },
    damage: (random) => {
      const names = readdirSync(path)
        .map(Number)
        .sort((a, b) => a - b)
      const file = join(path, `${names.at(-1)}`, 'data.mdb')
      writeFileSync(file, tear(readFileSync(file), random.next))
    },
    remove: () => rm(root, { recursive: true }),
  }
})

/** What the files hold at this moment is what they hold after kill -9. An old one may disappear meanwhile. */
async function copyAsAfterKill(path: string, copy: string): Promise<void> {
  try {
    await cp(path, copy, { recursive: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    await rm(copy, { recursive: true, force: true })
    await copyAsAfterKill(path, copy)
  }
}

const lmdb = suite('lmdb checkpoints')

lmdb('after kill -9 at whatever moment the last finished checkpoint is there, or one that was being finished', () =>
  withDirectory(async (directory, start) => {
    let finished = 0
    for (const lines of [1, 3, 9]) {
      const child = start(['checkpoints', directory])
      await child.said(lines)
      await child.kill()
      const said = Number(child.lines.at(-1))
      const store = await openCheckpoints(directory)
      const reader = store.latest() as CheckpointReader
      const { journal } = reader.header
      assert.ok(journal === said || journal === said + 1, `${said} was finished, ${journal} is there`)
      const { machine, core } = imageOf(reader)
      assert.ok(machine?.length === 2_000_000 && machine.every((byte) => byte === journal % 251))
      assert.equal(core, text(`${journal}`))
      reader.close()
      store.settle()
      await store.close()
      assert.is(readdirSync(directory).length, 1)
      finished += lines
    }
    volume('checkpoints finished before kill -9', finished)
  }),
)

lmdb('a file that can grow no more fails the checkpoint only: the one before stays, and the process goes on', () =>
  withDirectory(async (directory, start) => {
    const child = start(['full-checkpoints', directory], ['bash', '-c', 'ulimit -f 2000; exec "$@"', 'bash'])
    assert.is(await child.exited(), 0, child.errors.join('\n'))
    assert.equal(child.lines, ['finished 1', 'storage', 'latest 1', 'finished 3', 'latest 3'])
  }),
)

lmdb('a damaged file is found or does not matter: it never ends the process', () =>
  withDirectory(async (directory, start) => {
    const seed = freshSeed()
    const child = start(['damaged-checkpoints', directory, `${seed}`])
    assert.is(await child.exited(), 0, `seed ${seed}: ${child.errors.join('\n')}`)
    const { harmless, damaged, ...others } = JSON.parse(child.lines.at(-1) ?? '')
    assert.equal(others, {}, `seed ${seed}`)
    assert.ok(damaged > 100 && harmless > 20, `${damaged} damaged, ${harmless} harmless, seed ${seed}`)
    volume('damaged checkpoint files', harmless + damaged)
  }),
)

lmdb('a last page beyond everything that LMDB maps is damage, and the file is not extended to it', () =>
  withDirectory(async (directory) => {
    let store = await openCheckpoints(directory)
    await take(store, { machine: text('x') }, header(1))
    await store.close()
    const path = join(directory, '1', 'data.mdb')
    const file = readFileSync(path)
    // The field `lastPage` of the first meta page; seed 1536320282 flipped a bit there.
    file.writeBigUInt64LE(file.readBigUInt64LE(144) | (1n << 50n), 144)
    writeFileSync(path, file)
    store = await openCheckpoints(directory)
    assert.throws(() => store.latest(), hasCode('damaged'))
    await store.close()
    assert.is(statSync(path).size, file.length)
  }),
)

lmdb('a folder without its data is damage, and other names are left alone', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'checkpoints')
    let store = await openCheckpoints(path)
    await take(store, { machine: text('x') }, header(1))
    await store.close()
    writeFileSync(join(path, 'notes.txt'), 'mine')
    await rm(join(path, '1', 'data.mdb'))
    store = await openCheckpoints(path)
    assert.throws(() => store.latest(), hasCode('damaged'))
    await take(store, { machine: text('y') }, header(2))
    await store.close()
    assert.equal(readdirSync(path).sort(), ['2', 'notes.txt'])
  }),
)

lmdb.run()
