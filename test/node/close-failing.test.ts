import { setImmediate as turn } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { INCARNATION_BYTES } from '../../src/codec/limits.ts'
import { encodeGroup } from '../../src/execution/groups.ts'
import { putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { realClock } from '../../src/node/clock.ts'
import { SILENT } from '../../src/node/logger.ts'
import type { Answer } from '../../src/node/requests.ts'
import { Seat } from '../../src/node/seat.ts'
import { MemoryDisk } from '../../src/storage/memory.ts'
import { MemoryNetwork, MemoryTransport } from '../../src/transport/memory.ts'
import { wasmEngine } from '../support/engine-makers.ts'
import { memberAddress, members } from '../support/members.ts'
import { until } from '../support/until.ts'

const test = suite('closing a replica whose storage fails')

test('what is in flight is answered as unknown, and the failure is reported', async () => {
  let write = (): void => {}
  const disk = new MemoryDisk({
    schedule: (written) => {
      write = written
    },
  })
  const failures: Error[] = []
  const incarnation = new Uint8Array(INCARNATION_BYTES)
  const identity = {
    cluster: 'closing',
    members: members(1),
    id: 0,
    incarnation,
    address: memberAddress(0),
    clientUrl: '',
  }
  const network = new MemoryNetwork({ schedule: (ms, action) => setTimeout(action, ms) })
  const member = new Seat({
    startNonce: new Uint8Array(16),
    ...{ identity, engine: wasmEngine.make(1), machine: new KeyValueStore(), journal: disk.open() },
    ...{ transport: new MemoryTransport(network, { identity }), clock: realClock, random: Math.random },
    ...{ logger: SILENT, requestTimeoutMs: 5000, failed: (error) => failures.push(error) },
  })
  const started = member.start()
  await until(() => {
    write()
    return member.notReady === null
  }, 'the member to be ready')
  await started
  const answers: Answer[] = []
  member.submit(encodeGroup([putCommand('k', 'v')]), (answer) => answers.push({ ...answer }))
  const closed = member.close()
  await turn()
  disk.full = true
  write()
  await closed
  assert.equal(
    failures.map((error) => (error as { code?: string }).code),
    ['storage'],
  )
  assert.equal(
    answers.map(({ outcome }) => outcome),
    ['unknown'],
  )
})

test.run()
