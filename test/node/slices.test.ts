import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { INCARNATION_BYTES, START_NONCE_BYTES } from '../../src/codec/limits.ts'
import { COMMAND_WORK } from '../../src/execution/budget.ts'
import { encodeGroup } from '../../src/execution/groups.ts'
import type { ResultBuffer } from '../../src/execution/result-buffer.ts'
import { incrementCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { type Clock, realClock } from '../../src/node/clock.ts'
import { SILENT } from '../../src/node/logger.ts'
import { Seat } from '../../src/node/seat.ts'
import { MemoryDisk } from '../../src/storage/memory.ts'
import { MemoryNetwork, MemoryTransport } from '../../src/transport/memory.ts'
import { wasmEngine } from '../support/engine-makers.ts'
import { memberAddress, members } from '../support/members.ts'
import { until } from '../support/until.ts'

const test = suite('a turn of a replica')

const COMMANDS = 1000
const PER_TURN = 10

/** Counts what is applied from one {@link cut} to the next. */
class CountingStore extends KeyValueStore {
  total = 0
  most = 0
  #count = 0

  override apply(bytes: Uint8Array, start: number, end: number, result: ResultBuffer): void {
    this.total++
    this.most = Math.max(this.most, ++this.#count)
    super.apply(bytes, start, end, result)
  }

  cut(): void {
    this.#count = 0
  }
}

function makeMember(machine: CountingStore, disk: MemoryDisk, clock: Clock): Seat {
  const incarnation = new Uint8Array(INCARNATION_BYTES)
  const identity = {
    cluster: 'slices',
    members: members(1),
    id: 0,
    incarnation,
    address: memberAddress(0),
    clientUrl: '',
  }
  const network = new MemoryNetwork({ schedule: (ms, action) => setTimeout(action, ms) })
  return new Seat({
    startNonce: new Uint8Array(START_NONCE_BYTES),
    ...{ identity, engine: wasmEngine.make(1), machine, journal: disk.open(), workPerTurn: PER_TURN * COMMAND_WORK },
    ...{ transport: new MemoryTransport(network, { identity }), clock, random: Math.random },
    ...{ logger: SILENT, requestTimeoutMs: 5000, failed: () => {} },
  })
}

test('executes a bounded part of a batch, in a replay as well, and answers when it is whole', async () => {
  const disk = new MemoryDisk({ schedule: (written) => setTimeout(written, 1) })
  const machine = new CountingStore()
  const member = makeMember(machine, disk, realClock)
  await member.start()
  await until(() => member.notReady === null, 'the member to be ready')
  member.onTurn(() => machine.cut())
  const outcome = await new Promise((resolve) => {
    member.submit(encodeGroup(new Array(COMMANDS).fill(incrementCommand('n'))), (answer) => resolve(answer.outcome))
  })
  assert.is(outcome, 'done')
  assert.is(machine.total, COMMANDS)
  assert.ok(machine.most <= PER_TURN, `${machine.most} commands in a turn`)
  await member.close()
  disk.crash()

  const replayed = new CountingStore()
  const soon = (action: () => void) => {
    realClock.soon(() => {
      replayed.cut()
      action()
    })
  }
  const next = makeMember(replayed, disk, { ...realClock, soon })
  await next.start()
  assert.is(replayed.total, COMMANDS)
  assert.ok(replayed.most <= PER_TURN, `${replayed.most} commands in a turn of the replay`)
  assert.is(replayed.stateHash(), machine.stateHash())
  await next.close()
})

test.run()
