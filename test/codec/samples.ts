import * as client from '../../src/codec/client.ts'
import type { Vector } from '../../src/engine/engine.ts'
import { EVERYTHING } from '../../src/engine/footprint.ts'
import { type AnyMessage, type Batch, Command, MessageType, Mode, Phase } from '../../src/protocol/messages.ts'
import { type JournalRecord, RecordType } from '../../src/protocol/records.ts'
import type { Random } from '../support/random.ts'

/** Random valid messages, records and client messages of a given type. */

export const messageTypes = Object.entries(MessageType) as [keyof typeof MessageType, MessageType][]
export const recordTypes = Object.entries(RecordType) as [keyof typeof RecordType, RecordType][]
export const clientTypes = Object.entries(client.ClientMessageType) as [string, client.ClientMessageType][]

/** Whole numbers; small ones and those at the edges of the lanes come more often. */
export function whole(random: Random, least = 0): number {
  const edges = [least, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1]
  const drawn = random.pick([
    random.below(4),
    random.below(1000),
    random.pick(edges),
    Math.floor(random.next() * 2 ** 53),
  ])
  return Math.max(least, drawn)
}

export function vector(random: Random, replicas: number): Vector {
  return Array.from({ length: replicas }, () => whole(random))
}

export function bytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256))
}

export function batch(random: Random): Batch {
  const keys = random.pick([0, 1, 2, random.below(100)])
  const footprint = Uint32Array.from({ length: 1 + 2 * keys }, () => random.below(2 ** 32))
  footprint[0] = random.below(keys + 1) | (random.chance(0.1) ? EVERYTHING : 0)
  return { footprint, commands: bytes(random, random.pick([0, 1, 3, 4, random.below(300)])) }
}

function about(random: Random, replicas: number) {
  return { epoch: random.pick([0, 1, 2 ** 32 - 1]), row: random.below(replicas), slot: whole(random, 1) }
}

function decision(random: Random, replicas: number) {
  const command = random.pick([Command.batch, Command.batch, Command.noop])
  return {
    ...about(random, replicas),
    ballot: whole(random),
    command,
    deps: vector(random, replicas),
    batch: command === Command.batch && random.chance(0.6) ? batch(random) : null,
  }
}

function start(random: Random) {
  return { number: whole(random, 1), nonce: bytes(random, 16) }
}

export function message(random: Random, type: MessageType, replicas: number): AnyMessage {
  const id = about(random, replicas)
  const ballot = whole(random)
  switch (type) {
    case MessageType.preAccept:
      return { type, ...id, mode: Mode.all, initDeps: vector(random, replicas), batch: batch(random) }
    case MessageType.preAcceptOk:
      return { type, ...id, ok: random.chance(0.5), deps: vector(random, replicas) }
    case MessageType.accept:
    case MessageType.commit:
      return { type, ...decision(random, replicas) }
    case MessageType.acceptOk:
    case MessageType.recover:
    case MessageType.nack:
      return { type, ...id, ballot }
    case MessageType.recoverOk:
      return recoverOk(random, replicas)
    case MessageType.validate:
      return { type, ...id, ballot, deps: vector(random, replicas), batch: batch(random) }
    case MessageType.validateOk: {
      const conflict = () => ({
        row: random.below(replicas),
        slot: whole(random, 1),
        phase: random.pick(Object.values(Phase)),
      })
      return { type, ...id, ballot, conflicts: Array.from({ length: random.below(6) }, conflict) }
    }
    case MessageType.waiting:
      return { type, ...id, count: random.below(replicas + 1) }
    case MessageType.tryRecover:
      return { type, ...id }
    case MessageType.ask:
      return { type, ...id, slot: Math.min(id.slot, 2 ** 52), count: 1 + random.below(256) }
    case MessageType.truncated:
      return { type, ...id, executed: vector(random, replicas) }
    case MessageType.heartbeat: {
      const ms = () => random.below(2 ** 41) + random.below(1000) / 1000
      const committed = vector(random, replicas)
      const [executed, floor] = [vector(random, replicas), vector(random, replicas)]
      const [journal, state] = [whole(random), whole(random)]
      return { type, epoch: id.epoch, sentMs: ms(), echoMs: ms(), committed, executed, floor, journal, state }
    }
    case MessageType.probe: {
      const keys = Uint32Array.from({ length: 2 * random.pick([0, 1, 2, random.below(100)]) }, () =>
        random.below(2 ** 32),
      )
      return { type, ...probeName(random), keys, executed: vector(random, replicas) }
    }
    case MessageType.probeOk: {
      const writer = () => ({ key: random.below(100), row: random.below(replicas), slot: whole(random, 1) })
      const writers = Array.from({ length: random.below(6) }, writer)
      return { type, ...probeName(random), floor: vector(random, replicas), writers }
    }
    case MessageType.checkpointAsk: {
      const runs = Array.from({ length: random.below(5) }, () => run(random, replicas))
      const executed = { prefix: vector(random, replicas), runs }
      const chunk = random.pick([0, 1, 2 ** 32 - 1])
      const { epoch, row, slot } = id
      const lacking = { row, slot }
      return { type, epoch, lacking, executed, number: whole(random), chunk, count: 1 + random.below(64) }
    }
    case MessageType.checkpointChunk: {
      const chunk = random.pick([0, 1, 2 ** 32 - 1])
      return { type, epoch: id.epoch, number: whole(random), chunk, bytes: bytes(random, random.below(300)) }
    }
    case MessageType.notYet:
      return { type, epoch: id.epoch }
  }
}

function run(random: Random, replicas: number) {
  return {
    row: random.below(replicas),
    first: Math.min(whole(random, 1), 2 ** 52),
    count: Math.min(whole(random, 1), 2 ** 52 - 1),
  }
}

function probeName(random: Random) {
  return { epoch: random.pick([0, 1, 2 ** 32 - 1]), start: whole(random), number: whole(random) }
}

function recoverOk(random: Random, replicas: number): AnyMessage {
  const phase = random.pick(Object.values(Phase))
  const validated = phase === Phase.preAccepted || random.chance(0.5)
  const command = phase === Phase.preAccepted ? Command.batch : random.pick([Command.batch, Command.noop])
  return {
    type: MessageType.recoverOk,
    ...about(random, replicas),
    ballot: whole(random),
    voteBallot: whole(random),
    phase,
    command: phase === Phase.none && !validated ? Command.unknown : command,
    mode: Mode.all,
    ok: random.chance(0.5),
    initDeps: validated ? vector(random, replicas) : null,
    deps: phase === Phase.none ? null : vector(random, replicas),
    batch: validated ? batch(random) : null,
  }
}

export function record(random: Random, type: RecordType, replicas: number): JournalRecord {
  const id = about(random, replicas)
  switch (type) {
    case RecordType.pre: {
      const initDeps = vector(random, replicas)
      const deps = vector(random, replicas)
      return { type, ...id, mode: Mode.all, ok: random.chance(0.5), initDeps, deps, batch: batch(random) }
    }
    case RecordType.acc:
    case RecordType.com:
      return { type, ...decision(random, replicas) }
    case RecordType.bal:
      return { type, ...id, ballot: whole(random) }
    case RecordType.val:
      return { type, ...id, initDeps: vector(random, replicas), batch: random.chance(0.5) ? batch(random) : null }
    case RecordType.peer:
      return { type, id: id.epoch, incarnation: bytes(random, 16), start: start(random), heard: whole(random) }
    case RecordType.met:
      return { type, id: id.epoch }
    case RecordType.start:
      return { type, ...start(random) }
  }
}

const texts = ['', 'x', 'größer', '\u{1f980} crab', 'no quorum was reached in time']

export function clientMessage(random: Random, type: client.ClientMessageType): client.ClientMessage {
  const id = random.pick([0, 1, random.below(2 ** 32), 2 ** 32 - 1])
  switch (type) {
    case client.ClientMessageType.challenge:
      return { type, nonce: bytes(random, 32), needsSecret: random.chance(0.5) }
    case client.ClientMessageType.hello:
      return {
        ...{ type, version: random.below(4), proof: bytes(random, random.pick([0, 32, 64])) },
        clusterId: random.pick(['', 'c', 'f'.repeat(64)]),
      }
    case client.ClientMessageType.welcome: {
      const clientUrls = Array.from({ length: random.below(10) }, (_, i) => random.pick(['', `ws://127.0.0.1:700${i}`]))
      return {
        type,
        version: random.below(4),
        id: random.below(9),
        clientUrls,
        clusterId: random.pick(['c', 'f'.repeat(64)]),
        epoch: random.pick([0, 1, 2 ** 32 - 1]),
        leaving: random.chance(0.5),
      }
    }
    case client.ClientMessageType.request:
      return {
        ...{ type, id, group: bytes(random, random.below(100)), consistency: random.pick(client.CONSISTENCIES) },
        ...{ min: random.pick(['', '', 'ab12-0-1.2.3']), tokens: random.chance(0.5) },
      }
    case client.ClientMessageType.response: {
      const outcome = random.pick(Object.values(client.ResponseOutcome))
      const done = outcome === client.ResponseOutcome.done
      const [code, text] = done ? ['', ''] : [random.pick(['timeout', 'busy', '']), random.pick(texts)]
      const results = bytes(random, done ? random.below(100) : 0)
      const token = done ? random.pick(['', '', 'ab12-0-1.2.3']) : ''
      const ageMs = done ? random.pick([null, null, 0, 1000, 2 ** 32 - 2]) : null
      return { type, id, outcome, code, message: text, results, token, ageMs }
    }
  }
}

export function encodeClient(message: client.ClientMessage): Uint8Array {
  switch (message.type) {
    case client.ClientMessageType.challenge:
      return client.encodeChallenge(message)
    case client.ClientMessageType.hello:
      return client.encodeHello(message)
    case client.ClientMessageType.welcome:
      return client.encodeWelcome(message)
    case client.ClientMessageType.request:
      return client.encodeRequest(message.id, message.group, message)
    case client.ClientMessageType.response: {
      if (message.outcome === client.ResponseOutcome.done) {
        return client.encodeDone(message.id, message.results, message.token, message.ageMs)
      }
      const outcome = message.outcome === client.ResponseOutcome.refused ? 'refused' : 'unknown'
      return client.encodeNotDone(message.id, outcome, message.code, message.message)
    }
  }
}
