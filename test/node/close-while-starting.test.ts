import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { Replica } from '../../src/node/replica.ts'
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

test.run()
