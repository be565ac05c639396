import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FORMAT_VERSION } from '../../src/codec/limits.ts'
import { EpaxosError } from '../../src/errors.ts'
import { BackupFile } from '../../src/storage/backup-file.ts'
import { type About, BackupEncoder, backupSize } from '../../src/storage/backup-format.ts'
import { NewFile } from '../../src/storage/new-file.ts'
import { withFolder } from '../support/cli.ts'

const test = suite('the file of a backup')

const ABOUT: About = {
  ...{ formatVersion: FORMAT_VERSION, cluster: 'local', clusterId: 'ab'.repeat(16), replicas: 3 },
  takenAt: '2026-11-26T12:00:00.000Z',
}
const HEADER = {
  ...{ formatVersion: FORMAT_VERSION, cluster: 'local', id: 1, epoch: 0, journal: 7 },
  ...{ executed: [3, 0, 2], beyond: [[5], [], []] },
}
const CHUNKS = [
  ['machine', Uint8Array.of(1, 2, 3)],
  ['machine', new Uint8Array(40).fill(9)],
  ['sessions', Uint8Array.of(4)],
] as const

function encoded(about: About = ABOUT): Buffer {
  const encoder = new BackupEncoder()
  const chunks = CHUNKS.map(([section, bytes]) => encoder.chunk.bind(encoder, section, bytes))
  return Buffer.concat([encoder.begin(about), ...chunks.map((chunk) => chunk()), encoder.end(HEADER)])
}

/** The code of the error, or `undamaged`. */
async function verdict(path: string, content: Uint8Array): Promise<string> {
  writeFileSync(path, content)
  try {
    await (await BackupFile.open(path)).close()
    return 'undamaged'
  } catch (error) {
    if (!(error instanceof EpaxosError)) throw error
    assert.match(error.message, path, 'it names the file')
    return error.code
  }
}

test('what was written is read again, and the size was known before', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'backup')
    writeFileSync(path, encoded())
    const backup = await BackupFile.open(path)
    const { reader, about, digest, bytes } = backup
    assert.equal(about, ABOUT)
    assert.equal(reader.header, HEADER)
    assert.match(digest, /^[0-9a-f]{64}$/)
    assert.equal(
      CHUNKS.map(([, chunk]) => Buffer.from(chunk)),
      ['machine', 'sessions'].flatMap((name) => [...reader.chunks(name)].map((chunk) => Buffer.from(chunk))),
    )
    assert.equal([...reader.chunks('core')], [])
    assert.is(bytes, backupSize(ABOUT, { header: HEADER, sections: reader.sections }))
    await backup.close()
  }))

test('each flipped bit is found', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'backup')
    const content = encoded()
    assert.is(await verdict(path, content), 'undamaged')
    const codes = new Map<string, number>()
    for (let at = 0; at < content.length; at++) {
      const flipped = Buffer.from(content)
      flipped[at] = (flipped[at] as number) ^ (1 << (at % 8))
      const code = await verdict(path, flipped)
      codes.set(code, (codes.get(code) ?? 0) + 1)
    }
    // The first seven bytes say that it is a backup, the eighth says of which layout.
    assert.equal(Object.fromEntries(codes), { not_a_backup: 7, wrong_format: 1, damaged: content.length - 8 })
  }))

test('a file that is cut short at any place, or goes on after its end, is damaged', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'backup')
    const content = encoded()
    for (let length = 1; length < content.length; length++) {
      assert.is(await verdict(path, content.subarray(0, length)), 'damaged', `${length} bytes`)
    }
    assert.is(await verdict(path, Buffer.concat([content, Buffer.of(0)])), 'damaged')
    assert.is(await verdict(path, Buffer.concat([content, content])), 'damaged')
  }))

test('what is no backup, and what another version wrote, is told apart from damage', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'backup')
    assert.is(await verdict(path, new Uint8Array(0)), 'not_a_backup')
    assert.is(await verdict(path, Buffer.from('not at all')), 'not_a_backup')
    assert.is(await verdict(path, encoded({ ...ABOUT, formatVersion: FORMAT_VERSION + 1 })), 'wrong_format')
    for (const missing of [join(folder, 'missing'), folder]) {
      const error = await BackupFile.open(missing).catch((error: EpaxosError) => error)
      assert.is((error as EpaxosError).code, 'not_a_backup')
    }
  }))

test('chunks are checked again when they are read: the file may change meanwhile', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'backup')
    writeFileSync(path, encoded())
    const backup = await BackupFile.open(path)
    const changed = encoded()
    changed[changed.indexOf(Buffer.alloc(40, 9)) + 3] = 8
    writeFileSync(path, changed)
    assert.throws(
      () => [...backup.reader.chunks('machine')],
      (error: EpaxosError) => error.code === 'damaged' && /chunk 1 \(machine\)/.test(error.message),
    )
    await backup.close()
  }))

test('a new file has its name when it is finished, never before, and replaces nothing', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'file')
    const first = await NewFile.create(path)
    const second = await NewFile.create(path)
    await first.write(Buffer.from('one '))
    await first.write(Buffer.from('and two'))
    assert.ok(!readdirSync(folder).includes('file'))
    await first.finish()
    assert.is(readFileSync(path, 'utf8'), 'one and two')
    const codeOf = (promise: Promise<unknown>) =>
      promise.then(
        () => '',
        (error: EpaxosError) => error.code,
      )
    assert.is(await codeOf(second.finish()), 'exists')
    await second.abandon()
    assert.is(await codeOf(NewFile.create(path)), 'exists')
    assert.is(await codeOf(NewFile.create(join(folder, 'no', 'folder'))), 'storage')
    const third = await NewFile.create(join(folder, 'other'))
    const refused = third.finish(() => Promise.reject(new EpaxosError('damaged', 'the check')))
    assert.is(await codeOf(refused), 'damaged')
    await third.abandon()
    assert.equal(readdirSync(folder), ['file'])
    assert.is(readFileSync(path, 'utf8'), 'one and two')
  }))

test.run()
