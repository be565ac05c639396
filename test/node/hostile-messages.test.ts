import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sealedFrames } from '../../src/codec/frame.ts'
import { encodeMessage } from '../../src/codec/peer.ts'
import { putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { Replica } from '../../src/node/replica.ts'
import { type Message, MessageType } from '../../src/protocol/messages.ts'
import { message, messageTypes } from '../codec/samples.ts'
import { freePorts } from '../support/ports.ts'
import { freshSeed, Random } from '../support/random.ts'
import { until } from '../support/until.ts'
import { volume } from '../support/volumes.ts'
import { Stranger } from '../transport/stranger.ts'
import { laterStartOf } from './impostor.ts'

/** Replicas 0 and 2 are sound; replica 1 says whatever its format has room for. */
const test = suite('a replica with a member that says anything')

const EXTREMES = [
  0,
  1,
  2,
  3,
  64,
  1023,
  1025,
  16_300,
  16_390,
  65_535,
  2 ** 20,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 52,
  2 ** 53 - 1,
]

/** No turn may hold the others up for as long as a suspicion takes. */
const LONGEST_TURN_MS = 450

type Fields = Record<string, unknown>

/** A message of the type in which every number may be an extreme. */
function extreme(random: Random, type: number): Message {
  const fields = message(random, type as Message['type'], 3) as unknown as Fields
  const at = (least: number, most = 2 ** 53 - 1): number => {
    return Math.min(most, Math.max(least, random.pick(EXTREMES)))
  }
  for (const [name, value] of Object.entries(fields)) {
    if (name === 'epoch') fields[name] = random.chance(0.05) ? at(0, 2 ** 32 - 1) : 0
    else if (name === 'row') fields[name] = random.below(3)
    else if (name === 'slot') fields[name] = at(1)
    else if (name === 'count') fields[name] = type === MessageType.ask ? at(1, 65_536) : at(0, 3)
    else if (name === 'ballot' || name === 'voteBallot') fields[name] = at(0)
    else if (name === 'sentMs' || name === 'echoMs') fields[name] = at(0) / 1000
    else if (Array.isArray(value) && typeof value[0] === 'number') fields[name] = value.map(() => at(0))
    else if (name === 'number') fields[name] = at(0, 2 ** 10)
    else if (name === 'conflicts' || name === 'writers') {
      fields[name] = (value as Fields[]).map((one) => ({ ...one, slot: at(1) }))
    }
  }
  // A Commit that contradicts another one ends who hears of both, and must: none of them is in range.
  if (type === MessageType.commit) (fields.deps as number[])[fields.row as number] = fields.slot as number
  // Others pass the test of the own row's entry, so that they get further.
  else if (random.chance(0.5)) {
    for (const name of ['deps', 'initDeps']) {
      const vector = fields[name]
      if (Array.isArray(vector)) vector[fields.row as number] = (fields.slot as number) - 1
    }
  }
  return fields as unknown as Message
}

/** A frame of up to so many extremes; what cannot be encoded is left out. */
function frameOf(random: Random, type: number, count: number): Uint8Array {
  const parts: Uint8Array[] = []
  for (let i = 0; i < count; i++) parts.push(encodeMessage(extreme(random, type)))
  return sealedFrames(parts, 0)[0] as Uint8Array
}

/** The longest turn of the event loop, in ms of the processor: what else runs on the machine does not count. */
function watchTurns(): { longest: () => number; stop: () => void } {
  let last = process.cpuUsage()
  let longest = 0
  const timer = setInterval(() => {
    const { user, system } = process.cpuUsage(last)
    longest = Math.max(longest, (user + system) / 1000)
    last = process.cpuUsage()
  }, 5)
  return { longest: () => longest, stop: () => clearInterval(timer) }
}

/** Founds the cluster with a replica 1 that is closed then, and dials replica 0 in its place. */
type Pose = (victim: Replica, ready: () => Promise<void>) => Promise<Stranger>

async function withReplicas(
  story: (open: (id: number) => Promise<Replica>, pose: Pose, failures: Error[]) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'epaxos-'))
  const ports = await freePorts(3)
  const peers = ports.map((port) => `127.0.0.1:${port}`)
  const failures: Error[] = []
  const opened: Replica[] = []
  const open = async (id: number): Promise<Replica> => {
    const onFailure = (error: Error) => failures.push(error)
    const data = join(folder, `${id}`)
    const replica = await Replica.open({ id, peers, data, machine: new KeyValueStore(), onFailure })
    opened.push(replica)
    return replica
  }
  const pose: Pose = async (victim, ready) => {
    const member = await open(1)
    await ready()
    await until(() => member.notReady === null, 'the founding')
    await member.close()
    await ready()
    return new Stranger(ports[0] as number).greet(await laterStartOf(join(folder, '1'), 1, victim), 0)
  }
  try {
    await story(open, pose, failures)
  } finally {
    await Promise.all(opened.map((replica) => replica.close()))
    await rm(folder, { recursive: true, force: true })
  }
}

test('every message with every field at its extremes ends no replica, holds none up, and none after a restart', () =>
  withReplicas(async (open, pose, failures) => {
    const seed = freshSeed()
    const random = new Random(seed)
    let [victim, other] = await Promise.all([open(0), open(2)])
    const ready = () =>
      until(() => victim.notReady === null && other.notReady === null, `ready: EPAXOS_SEED=${seed}`, 60_000)
    const peer = await pose(victim, ready)
    const turns = watchTurns()
    let sent = 0
    for (let round = 0; round < 10; round++) {
      for (const [, type] of messageTypes) {
        peer.socket.send(frameOf(random, type, 50))
        sent += 50
      }
      // Until what it named within reach is recovered as no-ops, a command may have to wait.
      await victim.propose(putCommand('k', `${round}`)).catch(() => {})
    }
    peer.socket.terminate()
    volume('hostile messages', sent)
    assert.ok(turns.longest() < LONGEST_TURN_MS, `a turn of ${turns.longest()} ms`)
    turns.stop()
    await victim.close()
    victim = await open(0)
    await ready()
    await victim.propose(putCommand('k', 'afterwards'))
    await other.propose(putCommand('k', 'there, too'))
    assert.equal(failures, [], `EPAXOS_SEED=${seed}`)
  }))

test('a flood of requests holds nobody up', () =>
  withReplicas(async (open, pose, failures) => {
    const [victim, other] = await Promise.all([open(0), open(2)])
    const peer = await pose(victim, () => until(() => victim.notReady === null && other.notReady === null, 'a quorum'))
    const value = 'x'.repeat(100_000)
    for (let i = 0; i < 200; i++) await victim.propose(putCommand(`k${i}`, value))
    const asks = Array.from({ length: 2000 }, (_, i) => {
      const count = 65_536
      return encodeMessage({ type: MessageType.ask, epoch: 0, row: 0, slot: 1 + (i % 200), count })
    })
    const [frame] = sealedFrames(asks, 0)
    const turns = watchTurns()
    for (let i = 0; i < 50; i++) {
      peer.socket.send(frame as Uint8Array)
      await victim.propose(putCommand('k', `${i}`))
    }
    peer.socket.terminate()
    turns.stop()
    volume('requests of floods', 50 * asks.length)
    assert.ok(turns.longest() < LONGEST_TURN_MS, `a turn of ${turns.longest()} ms`)
    assert.equal(failures, [])
  }))

test.run()
