import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FORMAT_VERSION, START_NONCE_BYTES } from '../../src/codec/limits.ts'
import { EpaxosError } from '../../src/errors.ts'
import type { StateMachine } from '../../src/execution/machine.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import type { CheckpointLimits } from '../../src/node/checkpointer.ts'
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
import { fill } from './on-disk.ts'

/** A replica in a real directory that comes back when its peers have forgotten what it missed (protocol.md §10). */
const test = suite('catching up on real disks')

const LIMITS = { leastBytes: 20_000, sliceBytes: 4000, sliceMs: 3, bytesPerMs: 1000 }
const REPLICAS = 3

/** It takes checkpoints only where it must: its journal is never trimmed otherwise. */
const LAGGARD = 2

function limitsOf(id: number): CheckpointLimits {
  return id === LAGGARD ? { ...LIMITS, leastBytes: 2 ** 30 } : LIMITS
}

class Trio {
  readonly folder = mkdtempSync(join(tmpdir(), 'epaxos-catch-up-'))
  readonly failures: Error[] = []
  readonly #network = new MemoryNetwork({ schedule: (ms, action) => setTimeout(action, ms).unref() })
  readonly #running = new Map<number, { member: Seat; directory: DataDirectory }>()

  async start(id: number, machine: StateMachine = new KeyValueStore()): Promise<void> {
    const owner = { cluster: 'catch-up', id, replicas: REPLICAS, formatVersion: FORMAT_VERSION }
    const directory = await DataDirectory.open(join(this.folder, `${id}`), owner)
    const { incarnation } = directory
    const identity = {
      cluster: 'catch-up',
      members: members(REPLICAS),
      id,
      incarnation,
      address: memberAddress(id),
      clientUrl: '',
    }
    const member = new Seat({
      startNonce: randomBytes(START_NONCE_BYTES),
      ...{ identity, engine: wasmEngine.make(REPLICAS), machine },
      journal: await LmdbJournal.open(directory.journalPath),
      ...{ checkpoints: await openCheckpoints(directory.checkpointsPath), checkpointLimits: limitsOf(id) },
      ...{ transport: new MemoryTransport(this.#network, { identity }), clock: realClock, random: Math.random },
      ...{ logger: SILENT, requestTimeoutMs: 5000, failed: (error) => this.failures.push(error) },
    })
    this.#running.set(id, { member, directory })
    await member.start()
  }

  member(id: number): Seat {
    return (this.#running.get(id) as { member: Seat }).member
  }

  async stop(id: number): Promise<void> {
    const { member, directory } = this.#running.get(id) as { member: Seat; directory: DataDirectory }
    this.#running.delete(id)
    await member.close()
    await directory.close()
  }

  async ready(...ids: number[]): Promise<void> {
    const isReady = () => ids.every((id) => this.member(id).notReady === null) || this.failures.length > 0
    await until(isReady, 'the members to be ready', 30_000)
    assert.equal(this.failures, [])
  }

  async close(): Promise<void> {
    for (const id of [...this.#running.keys()]) await this.stop(id)
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** What 0 and 1 do while 2 is away is beyond what a journal keeps for it. */
async function leaveBehind(trio: Trio): Promise<void> {
  for (let id = 0; id < REPLICAS; id++) await trio.start(id)
  await trio.ready(0, 1, 2)
  await fill(trio.member(0), 0, 50)
  await trio.stop(LAGGARD)
  for (let i = 0; trio.member(0).numbers.checkpoints < 8; i += 50) await fill(trio.member(0), i, 50)
}

test('a member that was away for long takes a checkpoint of a peer, goes on, and everybody forgets', async () => {
  const trio = new Trio()
  try {
    await leaveBehind(trio)
    await trio.start(2)
    await trio.ready(0, 1, 2)
    assert.ok(trio.member(2).numbers.checkpointsInstalled > 0)
    await fill(trio.member(2), 0, 20)
    const states = () => new Set([0, 1, 2].map((id) => trio.member(id).executor.stateHash()))
    await until(() => states().size === 1, 'equal states')
    const isForgotten = (id: number) => {
      const { dropped, executed } = trio.member(id).core
      return dropped.every((slot, row) => slot === executed.vector[row])
    }
    await until(() => [0, 1, 2].every(isForgotten), 'everything to be forgotten', 30_000)
    // It comes back from its own disk alone.
    await trio.stop(2)
    await trio.start(2)
    await trio.ready(2)
    assert.is(trio.member(2).numbers.checkpointsInstalled, 0)
    await until(() => states().size === 1, 'equal states')
    // The journal does not hold what was installed, so without the checkpoint it is not enough.
    await trio.stop(2)
    rmSync(join(trio.folder, '2', 'checkpoints'), { recursive: true })
    const error = await trio.start(2).then(
      () => null,
      (reason) => reason,
    )
    assert.is(error?.code, 'damaged', String(error))
  } finally {
    await trio.close()
  }
})

test('a machine that does not take over the state ends the replica: the other half is replaced already', async () => {
  const trio = new Trio()
  const restore = () => {
    throw new EpaxosError('damaged', 'a state that this machine does not know')
  }
  const machine: StateMachine = Object.assign(new KeyValueStore(), { restoring: undefined, restore })
  try {
    await leaveBehind(trio)
    await trio.start(LAGGARD, machine)
    await until(() => trio.failures.length > 0, 'the member to end', 10_000)
    assert.is((trio.failures[0] as EpaxosError).code, 'damaged')
  } finally {
    await trio.close()
  }
})

test.run()
