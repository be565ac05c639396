import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { INCARNATION_BYTES, START_NONCE_BYTES } from '../../src/codec/limits.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { realClock } from '../../src/node/clock.ts'
import { SILENT } from '../../src/node/logger.ts'
import { Seat } from '../../src/node/seat.ts'
import { MemoryNetwork, MemoryTransport } from '../../src/transport/memory.ts'
import { wasmEngine } from '../support/engine-makers.ts'
import { memberAddress, members } from '../support/members.ts'
import { until } from '../support/until.ts'

const test = suite('stale reads')

test('the state may be read as it is once the journal is replayed, ready or not, also on a full disk', async () => {
  const incarnation = new Uint8Array(INCARNATION_BYTES)
  const identity = {
    cluster: 'stale',
    members: members(1),
    id: 0,
    incarnation,
    address: memberAddress(0),
    clientUrl: '',
  }
  const network = new MemoryNetwork({ schedule: (ms, action) => setTimeout(action, ms) })
  let free = 2
  const space = { nearlyFullBytes: 2, fullBytes: 1, free: async () => free }
  const member = new Seat({
    startNonce: new Uint8Array(START_NONCE_BYTES),
    ...{ identity, engine: wasmEngine.make(1), machine: new KeyValueStore(), journal: null, space },
    ...{ transport: new MemoryTransport(network, { identity }), clock: realClock, random: Math.random },
    ...{ logger: SILENT, requestTimeoutMs: 5000, failed: () => {} },
  })
  assert.match(member.notReadable ?? '', /journal is being replayed/)
  await member.start()
  assert.is(member.notReadable, null)
  await until(() => member.notReady === null, 'the member to be ready')
  free = 0
  await until(() => member.notReady === 'the disk is full', 'the member to see that the disk is full')
  assert.is(member.notReadable, null)
  free = 2
  await member.close()
  assert.match(member.notReadable ?? '', /being closed/)
})

test.run()
