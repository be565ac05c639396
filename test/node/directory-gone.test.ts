import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { Replica } from '../../src/node/replica.ts'
import { freePorts } from '../support/ports.ts'

const test = suite('a replica whose data directory is removed')

test('stops and says why: what it wrote there would be called durable', async () => {
  const data = await mkdtemp(join(tmpdir(), 'epaxos-gone-'))
  const [port] = (await freePorts(1)) as [number]
  const failure = new Promise<Error & { code?: string }>((resolve) => {
    const options = { id: 0, peers: [`127.0.0.1:${port}`], data, machine: new KeyValueStore(), onFailure: resolve }
    void Replica.open(options).then(() => rm(data, { recursive: true }), resolve)
  })
  assert.is((await failure).code, 'storage')
})

test.run()
