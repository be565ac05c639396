import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { INCARNATION_BYTES } from '../../src/codec/limits.ts'
import { encodeRecords } from '../../src/codec/records.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { realClock } from '../../src/node/clock.ts'
import { SILENT } from '../../src/node/logger.ts'
import { Seat } from '../../src/node/seat.ts'
import { Command } from '../../src/protocol/messages.ts'
import { RecordType } from '../../src/protocol/records.ts'
import { MemoryDisk } from '../../src/storage/memory.ts'
import { MemoryNetwork, MemoryTransport } from '../../src/transport/memory.ts'
import { batch } from '../support/batches.ts'
import { wasmEngine } from '../support/engine-makers.ts'
import { memberAddress, members } from '../support/members.ts'

const test = suite('a replica that replays a long journal')

const NOOPS = 100_000
const LOOK_MS = 5

/** 1.1 is open; no-ops of another row follow. */
function longJournal(disk: MemoryDisk): void {
  const journal = disk.open()
  const deps = [0, 0, 0]
  const pre = { type: RecordType.pre, epoch: 0, row: 1, slot: 1, mode: 0, ok: true, initDeps: deps, deps } as const
  journal.append(encodeRecords([{ ...pre, batch: batch('open', 'a') }]))
  const com = { type: RecordType.com, epoch: 0, row: 2, ballot: 3, command: Command.noop, deps, batch: null } as const
  for (let slot = 1; slot <= NOOPS; slot++) journal.append(encodeRecords([{ ...com, slot }]))
  disk.sync()
  disk.crash()
}

test('begins nothing before it is at its end, however often its disk has space', async () => {
  const disk = new MemoryDisk({ schedule: (written) => setImmediate(written) })
  longJournal(disk)
  const failures: string[] = []
  const impatient = { ...realClock, every: (_: number, action: () => void) => realClock.every(LOOK_MS, action) }
  let looks = 0
  const space = {
    ...{ nearlyFullBytes: 2, fullBytes: 1 },
    // Once full, then with space again, and so on.
    free: async () => 2 * (looks++ % 2),
  }
  const identity = {
    ...{ cluster: 'replay', members: members(3), id: 0, address: memberAddress(0), clientUrl: '' },
    incarnation: new Uint8Array(INCARNATION_BYTES),
  }
  const network = new MemoryNetwork({ schedule: (ms, action) => setTimeout(action, ms).unref() })
  const member = new Seat({
    startNonce: new Uint8Array(16),
    ...{ identity, engine: wasmEngine.make(3), machine: new KeyValueStore(), journal: disk.open(), space },
    ...{ transport: new MemoryTransport(network, { identity }), clock: impatient, random: Math.random },
    ...{ logger: SILENT, requestTimeoutMs: 100, failed: (error) => failures.push(error.message) },
  })
  await member.start()
  assert.is(member.core.committed[2], NOOPS)
  await member.close()
  assert.equal(failures, [])
})

test.run()
