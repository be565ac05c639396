import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FORMAT_VERSION } from '../../src/codec/limits.ts'
import { encodeRecords } from '../../src/codec/records.ts'
import { FootprintBuilder } from '../../src/engine/footprint.ts'
import { CommandError, EpaxosError } from '../../src/errors.ts'
import { encodeGroup, encodeOpen, prepareGroup } from '../../src/execution/groups.ts'
import { onlyResult } from '../../src/execution/results.ts'
import { readResult } from '../../src/machine/command-results.ts'
import { getCommand, incrementCommand, putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { takeBackup } from '../../src/node/backup.ts'
import { Replica } from '../../src/node/replica.ts'
import type { Respond } from '../../src/node/requests.ts'
import { restoreBackup } from '../../src/node/restore-backup.ts'
import { readSurvivor } from '../../src/node/survivor.ts'
import { type Batch, Command, Mode } from '../../src/protocol/messages.ts'
import { RecordType } from '../../src/protocol/records.ts'
import { DataDirectory } from '../../src/storage/directory.ts'
import { LmdbJournal } from '../../src/storage/lmdb.ts'
import { runCli, withFolder } from '../support/cli.ts'
import { freePorts } from '../support/ports.ts'
import { until } from '../support/until.ts'

const test = suite('restore of a backup')

/** Runs `body` with a cluster of one, and closes it. */
async function withReplica<T>(data: string, body: (replica: Replica) => Promise<T>): Promise<T> {
  const [port] = await freePorts(1)
  const machine = new KeyValueStore()
  const replica = await Replica.open({ id: 0, peers: [`127.0.0.1:${port}`], data, machine })
  try {
    await until(() => replica.notReady === null, 'the replica to be ready')
    return await body(replica)
  } finally {
    await replica.close()
  }
}

async function backUp(replica: Replica, file: string): Promise<void> {
  const backup = await replica.backup()
  const bytes = Buffer.concat([...backup.pieces])
  assert.is(bytes.length, backup.bytes)
  writeFileSync(file, bytes)
  backup.close()
}

function restore(file: string, data: string) {
  return restoreBackup({ file, data, id: 0, replicas: 1, machine: new KeyValueStore() })
}

async function increment(replica: Replica, session: string | Uint8Array, first: number): Promise<number> {
  const result = await replica.propose(incrementCommand('n', 1), { session, first, acknowledged: 0 })
  return Number(Buffer.from(readResult(result).value).toString())
}

async function read(replica: Replica, key: string): Promise<string> {
  return Buffer.from(readResult(await replica.propose(getCommand(key))).value).toString()
}

/** The name of a session that a command has opened. */
function openSession(replica: Replica): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    replica.submit(encodeOpen(), (answer) => {
      if (answer.outcome === 'done') resolve(onlyResult(answer.results).slice())
      else reject(new CommandError(answer.code, answer.outcome, answer.message))
    })
  })
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: EpaxosError) => error.code,
  )

test('the state is that of the backup; a request of a session that was done is not done again', () =>
  withFolder(async (folder) => {
    const [old, file, data] = ['old', 'backup', 'new'].map((name) => join(folder, name)) as [string, string, string]
    const [opened, oldId] = await withReplica(old, async (replica) => {
      const opened = await openSession(replica)
      await replica.propose(putCommand('k', 'before'))
      assert.is(await increment(replica, 'chosen', 1), 1)
      assert.is(await increment(replica, opened, 1), 2)
      await backUp(replica, file)
      await replica.propose(putCommand('k', 'after'))
      assert.is(await increment(replica, 'chosen', 2), 3)
      assert.is(await increment(replica, opened, 2), 4)
      return [opened, replica.clusterId] as const
    })
    await restore(file, data)
    await withReplica(data, async (replica) => {
      assert.is.not(replica.clusterId, oldId)
      assert.is(await read(replica, 'k'), 'before')
      for (const [session, result] of [
        ['chosen', 1],
        [opened, 2],
      ] as const) {
        assert.is(await increment(replica, session, 1), result, 'the result that the backup kept')
      }
      assert.is(await read(replica, 'n'), '2', 'nothing was done again')
      // They were done after the backup, so here they are not.
      assert.is(await increment(replica, 'chosen', 2), 3)
      assert.is(await increment(replica, opened, 2), 4)
    })
    // A restart finds the journal behind the restored checkpoint.
    await withReplica(data, async (replica) => assert.is(await read(replica, 'n'), '4'))
  }))

test('no name of a session is given twice: not by the restored cluster, nor by another one of the same backup', () =>
  withFolder(async (folder) => {
    const file = join(folder, 'backup')
    const names = new Set<string>()
    const openSome = async (replica: Replica) => {
      for (let i = 0; i < 3; i++) names.add(Buffer.from(await openSession(replica)).toString('hex'))
    }
    const late = await withReplica(join(folder, 'old'), async (replica) => {
      await openSome(replica)
      await backUp(replica, file)
      await openSome(replica)
      return await openSession(replica)
    })
    for (const data of ['a', 'b'].map((name) => join(folder, name))) {
      await restore(file, data)
      await withReplica(data, async (replica) => {
        await openSome(replica)
        const error = await increment(replica, late, 1).catch((error: CommandError) => error)
        const { code, outcome } = error as CommandError
        assert.equal([code, outcome], ['session_expired', 'unknown'], 'a session that was opened after the backup')
      })
    }
    assert.is(names.size, 3 + 3 + 3 + 3)
  }))

test('a restore that ended early is refused by a replica, and is done again', () =>
  withFolder(async (folder) => {
    const [file, data] = [join(folder, 'backup'), join(folder, 'data')]
    await withReplica(join(folder, 'old'), async (replica) => {
      await replica.propose(putCommand('k', 'v'))
      await backUp(replica, file)
    })
    const owner = { cluster: 'local', id: 0, replicas: 1, formatVersion: FORMAT_VERSION }
    const stopped = DataDirectory.restore(data, owner, 'a'.repeat(64), 0, async () => {
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    })
    assert.is(await codeOf(stopped), 'disk_full')
    const start = await withReplica(data, async () => {}).catch((error: EpaxosError) => error)
    const { code, message } = start as EpaxosError
    assert.is(code, 'foreign_directory')
    assert.match(message, 'was not restored to the end: run epaxos restore again')
    await restore(file, data)
    assert.not(readdirSync(data).includes('restoring'))
    await withReplica(data, async (replica) => assert.is(await read(replica, 'k'), 'v'))
    assert.is(await codeOf(restore(file, data)), 'exists')
  }))

test('a member whose restored checkpoint is damaged or gone does not begin empty', () =>
  withFolder(async (folder) => {
    const [file, data] = [join(folder, 'backup'), join(folder, 'data')]
    await withReplica(join(folder, 'old'), async (replica) => {
      await replica.propose(putCommand('k', 'a value to be found'))
      await backUp(replica, file)
    })
    await restore(file, data)
    // Its journal has all values from the first one on.
    await withReplica(data, async (replica) => assert.is(await read(replica, 'k'), 'a value to be found'))
    const [number = ''] = readdirSync(join(data, 'checkpoints'))
    const path = join(data, 'checkpoints', number, 'data.mdb')
    const content = readFileSync(path)
    const at = content.lastIndexOf('a value to be found')
    assert.ok(at > 0)
    content[at] = (content[at] as number) ^ 1
    writeFileSync(path, content)
    for (const remove of [false, true]) {
      if (remove) rmSync(join(data, 'checkpoints', number), { recursive: true })
      assert.is(await codeOf(withReplica(data, async () => {})), 'damaged')
      assert.is(await codeOf(readSurvivor(data, new KeyValueStore(), '')), 'damaged')
      const { code, stdout } = await runCli(['inspect', data])
      assert.equal([code, /damage +none/.test(stdout)], [1, false], stdout)
    }
  }))

test('nothing is restored into a used directory, or from anything but a whole backup', () =>
  withFolder(async (folder) => {
    const [file, data] = [join(folder, 'backup'), join(folder, 'data')]
    await withReplica(data, (replica) => backUp(replica, file))
    assert.is(await codeOf(restore(file, data)), 'exists')
    assert.is(await codeOf(restore(file, folder)), 'exists')
    const other = join(folder, 'other')
    writeFileSync(join(folder, 'text'), 'text')
    assert.is(await codeOf(restore(join(folder, 'text'), other)), 'not_a_backup')
    assert.is(await codeOf(restore(join(folder, 'missing'), other)), 'not_a_backup')
    for (const changes of [{ id: 1 }, { id: -1 }, { replicas: 0 }, { replicas: 17 }, { cluster: 'no name' }]) {
      const options = { file, data: other, id: 0, replicas: 1, machine: new KeyValueStore(), ...changes }
      assert.is(await codeOf(restoreBackup(options)), 'configuration')
    }
    assert.not(existsSync(other), 'nothing was made')
  }))

test('the state of a directory is read when its replica does not run, and only then', () =>
  withFolder(async (folder) => {
    const [data, file] = [join(folder, 'data'), join(folder, 'backup')]
    const survivor = () => readSurvivor(data, new KeyValueStore(), new Date().toISOString())
    assert.is(await codeOf(survivor()), 'foreign_directory')
    const id = await withReplica(data, async (replica) => {
      await replica.propose(putCommand('k', 'v'))
      assert.is(await codeOf(survivor()), 'locked')
      return replica.clusterId
    })
    const { pieces, about, mayBeLost } = await survivor()
    writeFileSync(file, Buffer.concat([...pieces]))
    assert.equal([about.clusterId, mayBeLost], [id, { committed: [], undecided: [] }])
    await restore(file, join(folder, 'new'))
    await withReplica(join(folder, 'new'), async (replica) => {
      assert.is(await read(replica, 'k'), 'v')
      await replica.propose(putCommand('k', 'in the checkpoint'))
      await backUp(replica, join(folder, 'other'))
      await replica.propose(putCommand('n', 'behind it'))
    })
    // The last checkpoint, and what the journal has after it.
    const again = await readSurvivor(join(folder, 'new'), new KeyValueStore(), '')
    const bytes = Buffer.concat([...again.pieces])
    for (const value of ['in the checkpoint', 'behind it']) assert.ok(bytes.includes(value), value)
    assert.is.not(again.about.clusterId, id)
    assert.is.not(again.about.clusterId, null)
  }))

function batchOf(key: string, value: string): Batch {
  const keys = new FootprintBuilder()
  const commands = encodeGroup([putCommand(key, value)])
  prepareGroup(commands, new KeyValueStore(), keys)
  return { footprint: keys.take(), commands }
}

test('what a survivor knows without knowing that it is committed, and what waits for it, is told and not applied', () =>
  withFolder(async (folder) => {
    const [path, file] = [join(folder, 'data'), join(folder, 'backup')]
    const owner = { cluster: 'local', id: 0, replicas: 3, formatVersion: FORMAT_VERSION }
    const directory = await DataDirectory.open(path, owner)
    const journal = await LmdbJournal.open(directory.journalPath)
    const com = { type: RecordType.com, ballot: 0, command: Command.batch } as const
    const at = (row: number, slot: number) => ({ epoch: 0, row, slot })
    const none = [0, 0, 0]
    const pre = { type: RecordType.pre, mode: Mode.all, ok: true, initDeps: none, deps: none } as const
    journal.append(encodeRecords([{ ...com, ...at(1, 1), deps: none, batch: batchOf('k', 'executed') }]))
    journal.append(encodeRecords([{ ...com, ...at(1, 2), deps: [0, 1, 3], batch: batchOf('k', 'waits') }]))
    journal.append(encodeRecords([{ ...pre, ...at(0, 1), batch: batchOf('other', 'proposed') }]))
    journal.append(encodeRecords([{ type: RecordType.bal, ...at(2, 2), ballot: 3 }]))
    await journal.close()
    await directory.close()
    const { mayBeLost, header, pieces, about } = await readSurvivor(path, new KeyValueStore(), '')
    assert.equal(mayBeLost, { committed: ['1.2'], undecided: ['0.1'] })
    assert.equal([header.executed, about.clusterId], [[0, 1, 0], null])
    writeFileSync(file, Buffer.concat([...pieces]))
    await restore(file, join(folder, 'new'))
    await withReplica(join(folder, 'new'), async (replica) => {
      assert.equal([await read(replica, 'k'), await read(replica, 'other')], ['executed', ''])
    })
  }))

test('the checkpoint of a backup begins after a barrier, and there is none if no quorum confirms it', async () => {
  const about = { formatVersion: FORMAT_VERSION, cluster: 'local', clusterId: null, replicas: 3, takenAt: '' }
  let respond: Respond = () => {}
  let checkpoints = 0
  const take = () =>
    takeBackup({
      about,
      barrier: (given) => {
        respond = given
      },
      checkpoint: async () => {
        checkpoints++
        throw new EpaxosError('storage', 'no disk')
      },
    })
  const refused = codeOf(take())
  respond({ outcome: 'unknown', code: 'timeout', message: 'no quorum' })
  assert.equal([await refused, checkpoints], ['not_ready', 0])
  const taken = codeOf(take())
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(checkpoints, 0)
  respond({ outcome: 'done', results: new Uint8Array(0) })
  assert.equal([await taken, checkpoints], ['storage', 1])
})

test('durability memory takes no backup', async () => {
  const [port] = await freePorts(1)
  const machine = new KeyValueStore()
  const replica = await Replica.open({ id: 0, peers: [`127.0.0.1:${port}`], durability: 'memory', machine })
  await until(() => replica.notReady === null, 'the replica to be ready')
  assert.is(await codeOf(replica.backup()), 'configuration')
  await replica.close()
  assert.is(await codeOf(replica.backup()), 'not_ready')
})

test.run()
