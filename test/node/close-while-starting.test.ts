import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeRecords } from '../../src/codec/records.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { Replica } from '../../src/node/replica.ts'
import { Command } from '../../src/protocol/messages.ts'
import { type ComRecord, RecordType } from '../../src/protocol/records.ts'
import { LmdbJournal } from '../../src/storage/lmdb.ts'
import { freePorts, isFree } from '../support/ports.ts'

const test = suite('closing a replica while it starts')

test('leaves nothing open, whatever moment it comes at, and the directory can be used again', async () => {
  const data = await mkdtemp(join(tmpdir(), 'epaxos-closing-'))
  const [port] = (await freePorts(1)) as [number]
  try {
    for (let turns = 0; turns < 12; turns++) {
      const options = { id: 0, peers: [`127.0.0.1:${port}`], data, machine: new KeyValueStore() }
      const replica = await Replica.create(options)
      const started = replica.start().then(
        () => 'started',
        (error) => error.code as string,
      )
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
      await replica.close()
      assert.ok(['started', 'closed'].includes(await started))
      assert.ok(await isFree(port))
    }
  } finally {
    await rm(data, { recursive: true })
  }
})

test('ends a replay in progress', async () => {
  const data = await mkdtemp(join(tmpdir(), 'epaxos-closing-'))
  const [port] = (await freePorts(1)) as [number]
  const options = { id: 0, peers: [`127.0.0.1:${port}`], data, machine: new KeyValueStore() }
  try {
    await (await Replica.create(options)).close()
    await fillJournal(join(data, 'journal'))
    const replica = await Replica.create(options)
    const started = replica.start().then(
      () => 'started',
      (error) => error.code as string,
    )
    assert.is(replica.notReady, 'the journal is being replayed')
    await replica.close()
    assert.is(await started, 'closed')
  } finally {
    await rm(data, { recursive: true })
  }
})

/** More than a replay reads in one turn of the event loop. */
async function fillJournal(path: string): Promise<void> {
  const journal = await LmdbJournal.open(path)
  for (let value = 0; value < 200; value++) {
    const records = Array.from({ length: 500 }, (_, i) => noopCommitted(value * 500 + i + 1))
    journal.append(encodeRecords(records))
  }
  await journal.close()
}

function noopCommitted(slot: number): ComRecord {
  const about = { epoch: 0, row: 0, slot }
  return { type: RecordType.com, ...about, ballot: 1, command: Command.noop, deps: [0], batch: null }
}

test.run()
