import { randomBytes } from 'node:crypto'
import { FORMAT_VERSION, START_NONCE_BYTES } from '../../src/codec/limits.ts'
import { encodeGroup } from '../../src/execution/groups.ts'
import { putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { realClock } from '../../src/node/clock.ts'
import { SILENT } from '../../src/node/logger.ts'
import { Seat } from '../../src/node/seat.ts'
import { DataDirectory } from '../../src/storage/directory.ts'
import { LmdbJournal } from '../../src/storage/lmdb.ts'
import { openCheckpoints } from '../../src/storage/lmdb-checkpoints.ts'
import { MemoryNetwork, MemoryTransport } from '../../src/transport/memory.ts'
import { wasmEngine } from '../support/engine-makers.ts'
import { memberAddress, members } from '../support/members.ts'
import { until } from '../support/until.ts'

/** Checkpoints often. */
const LIMITS = { leastBytes: 20_000, sliceBytes: 4000, sliceMs: 3, bytesPerMs: 1000 }

export interface OnDisk {
  readonly member: Seat
  /** Why it stopped by itself; null if it did not. */
  readonly failure: () => Error | null
  close(): Promise<void>
}

/** A replica of one in a real data directory, ready. */
export async function openMember(path: string): Promise<OnDisk> {
  const owner = { cluster: 'on-disk', id: 0, replicas: 1, formatVersion: FORMAT_VERSION }
  const directory = await DataDirectory.open(path, owner)
  const failures: Error[] = []
  try {
    const journal = await LmdbJournal.open(directory.journalPath)
    const { incarnation } = directory
    const identity = {
      cluster: 'on-disk',
      members: members(1),
      id: 0,
      incarnation,
      address: memberAddress(0),
      clientUrl: '',
    }
    const network = new MemoryNetwork({ schedule: (ms, action) => setTimeout(action, ms).unref() })
    const member = new Seat({
      startNonce: randomBytes(START_NONCE_BYTES),
      ...{ identity, engine: wasmEngine.make(1), machine: new KeyValueStore(), journal },
      ...{ checkpoints: await openCheckpoints(directory.checkpointsPath), checkpointLimits: LIMITS },
      ...{ transport: new MemoryTransport(network, { identity }), clock: realClock, random: Math.random },
      ...{ logger: SILENT, requestTimeoutMs: 5000, failed: (error) => failures.push(error) },
    })
    await member.start()
    await until(() => member.notReady === null || failures.length > 0, 'the member to be ready')
    const [failure] = failures
    if (failure !== undefined) throw failure
    const close = async () => {
      await member.close()
      await directory.close()
    }
    return { member, failure: () => failures[0] ?? null, close }
  } catch (error) {
    await directory.close()
    // What ended it says more than what was under way then.
    throw failures[0] ?? error
  }
}

/** Writes `count` keys from `first` on, one after the other. */
export async function fill(member: Seat, first: number, count: number): Promise<void> {
  for (let i = first; i < first + count; i++) {
    const group = encodeGroup([putCommand(`key ${i % 40}`, `value ${i} `.repeat(20))])
    const outcome = await new Promise((done) => member.submit(group, (answer) => done(answer.outcome)))
    if (outcome !== 'done') throw new Error(`a write ended as ${outcome}`)
  }
}
