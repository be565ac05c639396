import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { sealedFrames } from '../../src/codec/frame.ts'
import { encodeMessage } from '../../src/codec/peer.ts'
import { incrementCommand, putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { Replica } from '../../src/node/replica.ts'
import { Command, type Commit, type Message, MessageType } from '../../src/protocol/messages.ts'
import { MAX_FRAME_BYTES } from '../../src/transport/transport.ts'
import { buildHotMessage, type HotMessage } from '../support/builders.ts'
import { freePorts } from '../support/ports.ts'
import { serverSuite } from '../support/servers.ts'
import { until } from '../support/until.ts'
import { Stranger } from '../transport/stranger.ts'
import { laterStartOf } from './impostor.ts'

const test = serverSuite('a replica with a faulty peer')

const NOOP: Commit = {
  type: MessageType.commit,
  epoch: 0,
  row: 1,
  slot: 1,
  ballot: 0,
  command: Command.noop,
  deps: [0, 0, 0],
  batch: null,
}

/** Damaged frames, with the log line that reports each. Each ends its link. */
const DAMAGED: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['a byte', Uint8Array.of(7), /damaged frame from replica 1/],
  ['garbage', new Uint8Array(4096).fill(0xa5), /damaged frame from replica 1/],
  ['half a frame', sealed(encodeMessage(NOOP)).slice(0, 20), /damaged frame from replica 1/],
  ['a frame with a bit flipped', flipped(sealed(encodeMessage(NOOP)), 300), /damaged frame from replica 1/],
  ['a frame above the limit', new Uint8Array(MAX_FRAME_BYTES + 1), /too big/],
]

/** Messages that no replica sends, with the log line that reports each. The link stays. */
const MISTAKES: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['half a message', encodeMessage(NOOP).slice(0, 20), /bytes at 0 of 20/],
  ['an unknown type', buildHotMessage({ ...NOOP, type: 99 } as unknown as HotMessage), /of no known type/],
  ['a row that does not exist', encodeMessage({ ...NOOP, row: 3 }), /row 3 of 3/],
  ['dependencies of other replicas than there are', encodeMessage({ ...NOOP, deps: [0, 0, 0, 0] }), /4 entries/],
  ['an epoch that does not exist', encodeMessage({ ...NOOP, epoch: 7 }), /out of range/],
  ['a slot that its owner cannot have used', encodeMessage({ ...NOOP, row: 0, slot: 2 ** 40 }), /out of range/],
  ['a PreAccept for the row of another', encodeMessage(preAcceptOf(2)), /out of range/],
]

function sealed(message: Uint8Array): Uint8Array {
  return sealedFrames([message], 0)[0] as Uint8Array
}

function flipped(frame: Uint8Array, bit: number): Uint8Array {
  const copy = frame.slice()
  copy[bit >>> 3] = (copy[bit >>> 3] as number) ^ (1 << (bit & 7))
  return copy
}

function preAcceptOf(row: number): Message {
  const batch = { footprint: Uint32Array.of(0), commands: Uint8Array.of(1) }
  return { type: MessageType.preAccept, epoch: 0, row, slot: 99, mode: 0, initDeps: [98, 98, 98], batch }
}

test('garbage, unknown types, rows, epochs and long frames are dropped and have no effect (scenario 18)', async () => {
  const ports = await freePorts(3)
  const peers = ports.map((port) => `127.0.0.1:${port}`)
  const lines: string[] = []
  const note = (fields: object, message: string) => lines.push(`${message} ${JSON.stringify(fields)}`)
  const logger = { info: () => {}, warn: note, error: note }
  const data = await mkdtemp(join(tmpdir(), 'epaxos-hostile-'))
  const server = test.server().kind
  const open = (id: number, durability: 'memory' | 'fsync' = 'memory') =>
    Replica.open({ id, peers, machine: new KeyValueStore(), durability, data, server, logger })
  const [victim, good, other] = await Promise.all([open(0), open(1, 'fsync'), open(2)])
  try {
    await until(() => [victim, good, other].every(({ notReady }) => notReady === null), 'the founding')
    await good.close()
    const claim = await laterStartOf(data, 1, victim)
    await until(() => victim.notReady === null && other.notReady === null, 'a quorum without it')
    await victim.propose(putCommand('k', 'v'))
    const before = victim.status()
    let count = before.counts.dropped
    const sendOne = async (peer: Stranger, what: string, frame: Uint8Array, line: RegExp): Promise<void> => {
      peer.socket.send(frame)
      count++
      await until(() => victim.status().counts.dropped === count, `${what} to be counted`)
      await until(() => line.test(lines.at(-1) ?? ''), `${what} in the log`)
    }
    const greet = () => new Stranger(ports[0] as number).greet(claim, 0)
    const mistaken = await greet()
    for (const [what, message, line] of MISTAKES) await sendOne(mistaken, what, sealed(message), line)
    assert.not(mistaken.closed)
    mistaken.socket.terminate()
    for (const [what, frame, line] of DAMAGED) {
      const peer = await greet()
      await sendOne(peer, what, frame, line)
      await peer.hungUp()
    }
    const { stateHash, committed } = victim.status()
    assert.is(stateHash, before.stateHash)
    assert.is(committed[1], before.committed[1])
    assert.is(Buffer.from((await victim.propose(incrementCommand('n', 1))).subarray(1)).toString(), '1')
    await until(() => other.status().stateHash === victim.status().stateHash, 'equal states')
  } finally {
    await Promise.all([victim, good, other].map((replica) => replica.close()))
    await rm(data, { recursive: true })
  }
})

test.run()
