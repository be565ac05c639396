import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FORMAT_VERSION } from '../../src/codec/limits.ts'
import { encodeRecords } from '../../src/codec/records.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { Replica } from '../../src/node/replica.ts'
import { readSurvivor } from '../../src/node/survivor.ts'
import { type MemberRecord, RecordType } from '../../src/protocol/records.ts'
import { DataDirectory, JOINER } from '../../src/storage/directory.ts'
import { LmdbJournal } from '../../src/storage/lmdb.ts'
import { openCheckpoints } from '../../src/storage/lmdb-checkpoints.ts'
import { runCli, withFolder } from '../support/cli.ts'
import { freePorts } from '../support/ports.ts'
import { until } from '../support/until.ts'

const test = suite('epaxos inspect')

const OWNER = { cluster: 'local', id: 1, replicas: 3, formatVersion: FORMAT_VERSION }

function start(number: number): MemberRecord {
  return { type: RecordType.start, number, nonce: new Uint8Array(16).fill(number) }
}

/** A directory whose journal has the values 3 and 4, after a checkpoint as of value 3. */
async function makeDirectory(path: string): Promise<void> {
  const directory = await DataDirectory.open(path, OWNER)
  const journal = await LmdbJournal.open(directory.journalPath)
  const peer = { type: RecordType.peer, id: 2, incarnation: new Uint8Array(16).fill(7), heard: 0 } as const
  for (let number = 1; number <= 4; number++) journal.append(encodeRecords([start(number)]))
  const store = await openCheckpoints(directory.checkpointsPath)
  const writer = store.begin({
    ...{ formatVersion: FORMAT_VERSION, cluster: 'local', id: 1, epoch: 0, journal: 3 },
    ...{ executed: [5, 0, 2], beyond: [[], [], []] },
  })
  const known = { ...peer, start: { number: 9, nonce: new Uint8Array(16).fill(1) } }
  await writer.append('members', encodeRecords([start(1), known, { type: RecordType.met, id: 2 }]))
  await writer.append('machine', new Uint8Array(200_000).fill(0xab))
  await writer.finish()
  await trimmed(journal)
  await journal.close()
  await store.close()
  await directory.close()
}

/** Removes all values below 3. */
async function trimmed(journal: LmdbJournal): Promise<void> {
  const { bytes } = journal
  journal.trim(3)
  await until(() => journal.bytes < bytes, 'the values are removed')
}

async function inspect(
  path: string,
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return await runCli(['inspect', path, ...args])
}

/** Of all files but those that LMDB locks with. */
function hashes(path: string): string[] {
  const files = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) => !name.endsWith('lock.mdb'))
  return files.sort().flatMap((name) => {
    const stats = statSync(join(path, name))
    if (!stats.isFile()) return [name]
    return [
      `${name} ${stats.mtimeMs} ${createHash('sha256')
        .update(readFileSync(join(path, name)))
        .digest('hex')}`,
    ]
  })
}

/** Changes a byte of the last place in the file where these bytes are. */
function flip(file: string, bytes: Uint8Array, offset: number): void {
  const content = readFileSync(file)
  const at = content.lastIndexOf(Buffer.from(bytes))
  assert.ok(at > 0)
  content[at + offset] = (content[at + offset] as number) ^ 1
  writeFileSync(file, content)
}

test('tells what is in a directory, and changes nothing', () =>
  withFolder(async (folder) => {
    await makeDirectory(folder)
    const before = hashes(folder)
    const { code, stdout, stderr } = await inspect(folder, '--json')
    assert.equal([code, stderr], [0, ''])
    const contents = JSON.parse(stdout)
    assert.equal([contents.inUse, contents.starts, contents.damages], [false, 4, []])
    assert.equal([contents.identity.id, contents.identity.cluster], [1, 'local'])
    assert.equal(contents.peers, [{ id: 2, incarnation: '07'.repeat(16), start: 9, met: true }])
    const { first, last, records } = contents.journal
    assert.equal([first, last, records.start], [3, 4, 2])
    const [checkpoint] = contents.checkpoints
    assert.equal([checkpoint.number, checkpoint.header.journal], [1, 3])
    assert.equal(checkpoint.sections.at(-1), { name: 'machine', bytes: 200_000 })
    const text = await inspect(folder)
    assert.is(text.code, 0)
    assert.match(text.stdout, /^journal {6}values 3 to 4, \d+ bytes$/m)
    assert.match(text.stdout, /^checkpoints {2}1: as of value 3, executed 5 0 2; bytes: members \d+, machine 200000$/m)
    assert.match(text.stdout, /^damage {7}none$/m)
    assert.equal(hashes(folder), before)
  }))

test('works while a replica uses the directory, which goes on', () =>
  withFolder(async (folder) => {
    const [port] = await freePorts(1)
    const path = join(folder, 'data')
    const peers = [`127.0.0.1:${port}`]
    const replica = await Replica.open({ id: 0, peers, data: path, machine: new KeyValueStore() })
    try {
      await until(() => replica.notReady === null, 'the replica is ready')
      const { code, stdout } = await inspect(path)
      assert.is(code, 0, stdout)
      assert.match(stdout, /^in use {7}yes: /m)
      assert.match(stdout, /^damage {7}none$/m)
      await replica.propose(new TextEncoder().encode('')).catch(() => {})
      assert.is(replica.notReady, null)
    } finally {
      await replica.close()
    }
    assert.match((await inspect(path)).stdout, /^in use {7}no$/m)
  }))

test('damage is found by its place, and ends with 1', () =>
  withFolder(async (folder) => {
    const cases: [name: string, act: (path: string) => void, found: RegExp][] = [
      [
        'a record',
        (path) => flip(join(path, 'journal/data.mdb'), encodeRecords([start(4)]), 30),
        /value 4 of the journal: .*checksum/,
      ],
      [
        'a chunk',
        (path) => flip(join(path, 'checkpoints/1/data.mdb'), new Uint8Array(1000).fill(0xab), 500),
        /checkpoints\/1 is damaged: chunk \d+ \(machine\)/,
      ],
      ['an end', (path) => truncateSync(join(path, 'journal/data.mdb'), 8192), /it is cut off/],
      ['a whole file', (path) => truncateSync(join(path, 'checkpoints/1/data.mdb'), 0), /has no meta page/],
    ]
    for (const [name, act, found] of cases) {
      const path = join(folder, name)
      await makeDirectory(path)
      act(path)
      const { code, stdout } = await inspect(path)
      assert.is(code, 1, `${name}: ${stdout}`)
      assert.match(stdout.slice(stdout.indexOf('\ndamage')), found)
    }
  }))

test('a journal that does not go on where the checkpoint ends is damage', () =>
  withFolder(async (folder) => {
    const directory = await DataDirectory.open(folder, OWNER)
    const journal = await LmdbJournal.open(directory.journalPath)
    for (let number = 1; number <= 4; number++) journal.append(encodeRecords([start(number)]))
    await trimmed(journal)
    await journal.close()
    await directory.close()
    const { code, stdout } = await inspect(folder)
    assert.is(code, 1)
    assert.match(stdout, /the journal has the values 3 to 4, and there is no checkpoint/)
  }))

test('the directory of a joiner has nothing; of one that comes back it tells who it was', () =>
  withFolder(async (folder) => {
    const joiner = join(folder, 'joiner')
    const owner = { ...OWNER, id: JOINER, replicas: 0 }
    await (await DataDirectory.open(joiner, owner)).close()
    const empty = await inspect(joiner)
    assert.equal([empty.code, empty.stderr], [0, ''])
    assert.match(empty.stdout, /replica +a joiner of cluster local/)
    const back = join(folder, 'back')
    const removed = await DataDirectory.open(back, OWNER)
    await (await LmdbJournal.open(removed.journalPath)).close()
    await removed.renew({ id: 1, members: [[0, 'a:7100']] })
    await removed.close()
    assert.match((await inspect(back)).stdout, /replica +a joiner, which was replica 1 of cluster local/)
    const machine = new KeyValueStore()
    const refused = await readSurvivor(back, machine, '').catch((error) => error)
    assert.equal([refused.code, /never a member/.test(refused.message)], ['foreign_directory', true])
  }))

test('what is no data directory, or has another format, is refused with 3; a wrong command line with 2', () =>
  withFolder(async (folder) => {
    const other = await inspect(folder)
    assert.equal([other.code, other.stdout], [3, ''])
    assert.match(other.stderr, /is not the data of a replica/)
    const newer = join(folder, 'newer')
    await (await DataDirectory.open(newer, { ...OWNER, formatVersion: FORMAT_VERSION + 1 })).close()
    const refused = await inspect(newer)
    assert.is(refused.code, 3)
    assert.match(refused.stderr, /has format \d+, and this program reads \d+/)
    assert.is((await inspect(join(folder, 'absent'))).code, 3)
    assert.is((await runCli(['inspect'])).code, 2)
    assert.is((await runCli(['inspect', 'a', 'b'])).code, 2)
  }))

test.run()
