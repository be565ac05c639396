import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect } from '../../src/client/index.ts'
import { Replicas } from '../support/replicas.ts'
import { Valve } from '../support/valve.ts'

const test = suite('a client behind a slow link')

const MEBIBYTE = 1 << 20

test('reads a value that takes longer to arrive than a replica may be silent', async () => {
  const replicas = await Replicas.open({ count: 1 })
  const valve = await Valve.open(replicas.port(0))
  try {
    const near = await connect(replicas.url(0))
    await near.put('k', new Uint8Array(MEBIBYTE))
    await near.close()
    valve.bytesPerSecond = MEBIBYTE / 2
    const client = await connect(`http://127.0.0.1:${valve.port}`, { requestTimeoutMs: 10_000 })
    assert.is((await client.getBytes('k'))?.length, MEBIBYTE)
    await client.close()
  } finally {
    await valve.close()
    await replicas.close()
  }
})

test.run()
