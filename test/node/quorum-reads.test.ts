import { randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { INCARNATION_BYTES, START_NONCE_BYTES } from '../../src/codec/limits.ts'
import { FootprintBuilder } from '../../src/engine/footprint.ts'
import { encodeGroup } from '../../src/execution/groups.ts'
import { ResultReader, Status } from '../../src/execution/results.ts'
import { readResult } from '../../src/machine/command-results.ts'
import { getCommand, putCommand, transactionCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { realClock } from '../../src/node/clock.ts'
import { SILENT } from '../../src/node/logger.ts'
import { MAX_OPEN_READS } from '../../src/node/reads.ts'
import type { Answer, Consistency } from '../../src/node/requests.ts'
import { Seat } from '../../src/node/seat.ts'
import { MessageType, Mode } from '../../src/protocol/messages.ts'
import type { Journal } from '../../src/storage/journal.ts'
import { MemoryDisk } from '../../src/storage/memory.ts'
import { MemoryNetwork, MemoryTransport } from '../../src/transport/memory.ts'
import { wasmEngine } from '../support/engine-makers.ts'
import { memberAddress, members } from '../support/members.ts'
import { until } from '../support/until.ts'

const test = suite('reads without the log')
const REPLICAS = 3

interface Opened {
  readonly member: Seat
  readonly journal: Journal
}

async function withMembers(
  requestTimeoutMs: number,
  body: (opened: readonly Opened[]) => Promise<void>,
): Promise<void> {
  const network = new MemoryNetwork({ schedule: (ms, action) => setTimeout(action, ms) })
  const opened = Array.from({ length: REPLICAS }, (_, id): Opened => {
    const identity = {
      ...{ cluster: 'reads', members: members(REPLICAS), id, address: memberAddress(id), clientUrl: '' },
      incarnation: new Uint8Array(randomBytes(INCARNATION_BYTES)),
    }
    const journal = new MemoryDisk({ schedule: (written) => setTimeout(written, 1) }).open()
    const member = new Seat({
      startNonce: new Uint8Array(randomBytes(START_NONCE_BYTES)),
      ...{ identity, engine: wasmEngine.make(REPLICAS), machine: new KeyValueStore(), journal },
      ...{ transport: new MemoryTransport(network, { identity }), clock: realClock, random: Math.random },
      ...{ logger: SILENT, requestTimeoutMs, failed: () => {} },
    })
    return { member, journal }
  })
  try {
    await Promise.all(opened.map(({ member }) => member.start()))
    await until(() => opened.every(({ member }) => member.notReady === null), 'all members to be ready')
    await body(opened)
  } finally {
    await Promise.all(opened.map(({ member }) => member.close()))
  }
}

function read(member: Seat, commands: readonly Uint8Array[], consistency: Consistency): Promise<Answer> {
  return new Promise((resolve) => {
    member.read(encodeGroup(commands), consistency, (answer) => {
      resolve(answer.outcome === 'done' ? { ...answer, results: answer.results.slice() } : answer)
    })
  })
}

/** The values of a group of gets; `crowded` for those that were not read. */
function valuesOf(answer: Answer): string[] {
  assert.is(answer.outcome, 'done')
  const reader = new ResultReader((answer as Answer & { outcome: 'done' }).results)
  const values: string[] = []
  while (reader.next()) {
    const isRead = reader.status === Status.applied
    values.push(isRead ? Buffer.from(readResult(reader.result).value).toString() : 'crowded')
  }
  return values
}

/** Longer than records are held back that nothing waits for. */
const REST_MS = 150

/** The numbers of the last value of each journal, once nothing more is to be written. */
async function lastValues(opened: readonly Opened[]): Promise<number[]> {
  await new Promise((resolve) => setTimeout(resolve, REST_MS))
  return opened.map(({ journal }) => journal.last)
}

test('journal nothing and make no instance, at any replica, and see every write that was answered', () =>
  withMembers(5000, async (opened) => {
    const first = opened[0] as Opened
    for (let i = 0; i < 20; i++) await read(first.member, [putCommand(`k${i % 4}`, `${i}`)], 'log')
    const journals = await lastValues(opened)
    const instances = first.member.core.committed
    for (const { member } of opened) {
      for (let round = 0; round < 50; round++) {
        const answers = await Promise.all([
          read(member, [getCommand('k0'), getCommand('k1')], 'linearizable'),
          read(member, [getCommand('k2'), getCommand('k3'), getCommand('k2')], 'linearizable'),
          read(member, [], 'linearizable'),
        ])
        assert.equal(answers.map(valuesOf), [['16', '17'], ['18', '19', '18'], []])
      }
      assert.is(member.readCounts.answered, 150)
    }
    assert.equal(await lastValues(opened), journals, 'no journal value was written')
    assert.equal(first.member.core.committed, instances, 'no instance was made')
  }))

test('of several keys, or with a write, or by name, go through the log', () =>
  withMembers(5000, async ([first]) => {
    const { member } = first as Opened
    const slots = () => member.core.committed[0] as number
    const gets = transactionCommand({ then: [{ get: 'a' }, { get: 'b' }] })
    for (const [commands, consistency] of [
      [[gets], 'linearizable'],
      [[getCommand('a'), gets], 'linearizable'],
      [[getCommand('a'), putCommand('a', '1')], 'linearizable'],
      [[getCommand('a')], 'log'],
    ] as const) {
      const before = slots()
      assert.is((await read(member, commands, consistency)).outcome, 'done')
      assert.is(slots(), before + 1)
    }
    assert.is(member.readCounts.answered, 0)
  }))

test('are refused if they are malformed, too many at a time, or the replica is not ready', () =>
  withMembers(5000, async ([first]) => {
    const { member } = first as Opened
    const codeOf = async (answer: Promise<Answer>) => ((await answer) as Answer & { code?: string }).code
    assert.is(await codeOf(read(member, [Uint8Array.of(99)], 'linearizable')), 'bad_command')
    const many = new Array(MAX_OPEN_READS / 2 + 1).fill(getCommand('a'))
    const answers = [read(member, many, 'linearizable'), read(member, many, 'linearizable')]
    assert.equal(await Promise.all(answers.map(codeOf)), [undefined, 'busy'])
    assert.is(await codeOf(read(member, many, 'linearizable')), undefined, 'there is room again')
    member.close()
    assert.is(await codeOf(read(member, [getCommand('a')], 'linearizable')), 'not_ready')
  }))

test('one key that is being written for long does not hold up the others of its group', () =>
  withMembers(1000, async (opened) => {
    const [first, second] = opened as [Opened, Opened]
    await read(first.member, [putCommand('fast', '1')], 'log')
    // Replica 1 hears of a write far above all slots in use: those below must be decided first.
    const keys = new FootprintBuilder()
    const put = putCommand('slow', '1')
    new KeyValueStore().footprint(put, 0, put.length, keys)
    const about = { epoch: 0, row: 2, slot: 40, mode: Mode.all, initDeps: [0, 0, 39] }
    const batch = { footprint: keys.take(), commands: encodeGroup([put]) }
    second.member.core.receive(2, { type: MessageType.preAccept, ...about, batch })
    const gets = [getCommand('slow'), getCommand('fast')]
    assert.equal(valuesOf(await read(second.member, gets, 'linearizable')), ['crowded', '1'])
    assert.is(second.member.readCounts.inParts, 1)
  }))

test.run()
