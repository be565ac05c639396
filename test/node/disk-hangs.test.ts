import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ReferenceEngine } from '../../src/engine/index.ts'
import { encodeGroup } from '../../src/execution/groups.ts'
import { putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { SILENT } from '../../src/node/logger.ts'
import { Seat } from '../../src/node/seat.ts'
import { MemoryDisk } from '../../src/storage/memory.ts'
import { MemoryNetwork, MemoryTransport } from '../../src/transport/memory.ts'
import { SimulatedProcess } from '../simulator/process.ts'
import { VirtualTime } from '../simulator/time.ts'
import { identityOf } from '../transport/observer.ts'

const test = suite('a replica whose disk hangs')

test('is not ready, says that the disk hangs, and answers what was in flight when the disk is back', async () => {
  const time = new VirtualTime()
  const clock = new SimulatedProcess(time, { rate: 1, turnMs: 0.1 })
  let hangs = false
  const held: (() => void)[] = []
  const disk = new MemoryDisk({ schedule: (written) => (hangs ? held.push(written) : time.after(1, written)) })
  const identity = identityOf(0, 1)
  const network = new MemoryNetwork({ schedule: (ms, action) => time.after(ms, action) })
  const member = new Seat({
    identity,
    startNonce: new Uint8Array(16),
    engine: new ReferenceEngine(1),
    machine: new KeyValueStore(),
    journal: disk.open(),
    transport: new MemoryTransport(network, { identity }),
    clock,
    random: () => 0.5,
    logger: SILENT,
    requestTimeoutMs: 60_000,
    failed: assert.unreachable,
  })
  const outcomes: string[] = []
  const put = () => member.submit(encodeGroup([putCommand('k', 'v')]), ({ outcome }) => outcomes.push(outcome))
  const wait = async (ms: number) => {
    for (const end = time.now + ms; time.now < end; ) {
      await new Promise((resolve) => setImmediate(resolve))
      await time.run(time.now + 1)
    }
  }

  await Promise.all([member.start(), wait(500)])
  assert.is(member.notReady, null)
  put()
  await wait(100)
  assert.equal(outcomes, ['done'])

  hangs = true
  put()
  await wait(400)
  assert.is(member.notReady, null, 'it may only be slow')
  await wait(200)
  assert.is(member.notReady, 'the disk hangs')
  put()
  assert.equal(outcomes, ['done', 'refused'])

  hangs = false
  for (const written of held) written()
  await wait(100)
  assert.is(member.notReady, null)
  assert.equal(outcomes, ['done', 'refused', 'done'])
  await Promise.all([member.close(), wait(1000)])
})

test.run()
