import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { INCARNATION_BYTES } from '../../src/codec/limits.ts'
import { encodeRecords } from '../../src/codec/records.ts'
import { encodeGroup } from '../../src/execution/groups.ts'
import { readResult } from '../../src/machine/command-results.ts'
import { getCommand, putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { realClock } from '../../src/node/clock.ts'
import { SILENT } from '../../src/node/logger.ts'
import { Seat } from '../../src/node/seat.ts'
import { Command } from '../../src/protocol/messages.ts'
import { RecordType } from '../../src/protocol/records.ts'
import { MemoryDisk } from '../../src/storage/memory.ts'
import { MemoryNetwork, MemoryTransport } from '../../src/transport/memory.ts'
import { apply } from '../support/apply.ts'
import { batch } from '../support/batches.ts'
import { wasmEngine } from '../support/engine-makers.ts'
import { memberAddress, members } from '../support/members.ts'

const test = suite('the order of a replay')

/**
 * What had executed everywhere was forgotten, so 0.1 was decided without a dependency on 1.1, and the other way round
 * (protocol.md §10). By their slots alone, 0.1 comes first.
 */
function journalOfBoth(disk: MemoryDisk): void {
  const journal = disk.open()
  const com = { type: RecordType.com, epoch: 0, slot: 1, ballot: 0, command: Command.batch, deps: [0, 0, 0] } as const
  const putOf = (value: string) => ({ ...batch('', 'a'), commands: encodeGroup([putCommand('a', value)]) })
  journal.append(encodeRecords([{ ...com, row: 1, batch: putOf('before') }]))
  journal.append(encodeRecords([{ ...com, row: 0, batch: putOf('after') }]))
  disk.sync()
  disk.crash()
}

test('is that of the journal for what does not know of each other (seed 1210003417)', async () => {
  const disk = new MemoryDisk({ schedule: (written) => setImmediate(written) })
  journalOfBoth(disk)
  const identity = {
    ...{ cluster: 'replay', members: members(3), id: 0, address: memberAddress(0), clientUrl: '' },
    incarnation: new Uint8Array(INCARNATION_BYTES),
  }
  const network = new MemoryNetwork({ schedule: (ms, action) => setTimeout(action, ms).unref() })
  const machine = new KeyValueStore()
  const replica = new Seat({
    startNonce: new Uint8Array(16),
    ...{ identity, engine: wasmEngine.make(3), machine, journal: disk.open(), clock: realClock, random: Math.random },
    ...{ transport: new MemoryTransport(network, { identity }), logger: SILENT, requestTimeoutMs: 100 },
    failed: (error) => assert.unreachable(error.message),
  })
  await replica.start()
  assert.equal(replica.executor.executed.vector, [1, 1, 0])
  assert.is(Buffer.from(readResult(apply(machine, getCommand('a'))).value).toString(), 'after')
  await replica.close()
})

test.run()
