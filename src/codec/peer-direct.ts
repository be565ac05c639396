import {
  type Accept,
  type AcceptOk,
  Command,
  type Commit,
  type Heartbeat,
  type Message,
  MessageType,
  Mode,
  type PreAccept,
  type PreAcceptOk,
  type Probe,
} from '../protocol/messages.ts'
import { peerLayout } from './generated/peer/layout.ts'
import { MAX_PROBE_WORDS } from './limits.ts'
import { tooLarge } from './malformed.ts'
import type { Reader } from './reader.ts'
import { shape } from './shape.ts'
import { batchWords, vectorWords, type Writer } from './writer.ts'

/** The messages of the failure-free path and of quorum reads, written and read in their canonical layout (shape.ts). */

const PRE_ACCEPT = shape(peerLayout, MessageType.preAccept, ['about', 'init_deps', 'footprint', 'commands', 'mode'])
const PRE_ACCEPT_OK = shape(peerLayout, MessageType.preAcceptOk, ['about', 'deps', 'ok'])
const ACCEPT_OK = shape(peerLayout, MessageType.acceptOk, ['about', 'ballot'])
const HEARTBEAT = shape(peerLayout, MessageType.heartbeat, [
  'epoch',
  'sent_us',
  'echo_us',
  'committed',
  'executed',
  'floor',
  'journal',
  'state',
])

const PROBE = shape(peerLayout, MessageType.probe, ['epoch', 'start', 'number', 'keys', 'executed'])

/** Accept and Commit have the same fields; each comes with or without its batch. */
const DECISION = ['about', 'ballot', 'deps', 'command'] as const
const DECISION_WITH_BATCH = ['about', 'ballot', 'deps', 'footprint', 'commands', 'command'] as const
const ACCEPT = shape(peerLayout, MessageType.accept, DECISION_WITH_BATCH)
const ACCEPT_BARE = shape(peerLayout, MessageType.accept, DECISION)
const COMMIT = shape(peerLayout, MessageType.commit, DECISION_WITH_BATCH)
const COMMIT_BARE = shape(peerLayout, MessageType.commit, DECISION)

/** Where the type of the union is in the canonical layout, in bytes from the start of the message. */
const TYPE_AT = 24

/** Appends the message, without its size. */
export function writePreAccept(to: Writer, message: PreAccept): void {
  const { at, words } = PRE_ACCEPT
  to.reserve(words + vectorWords(message.initDeps) + batchWords(message.batch))
  to.begin(PRE_ACCEPT)
  to.instance(at.about, message)
  to.byte(at.mode, message.mode)
  to.vector(at.init_deps, message.initDeps)
  to.uint32s(at.footprint, message.batch.footprint)
  to.ubytes(at.commands, message.batch.commands)
}

export function writePreAcceptOk(to: Writer, message: PreAcceptOk): void {
  const { at, words } = PRE_ACCEPT_OK
  to.reserve(words + vectorWords(message.deps))
  to.begin(PRE_ACCEPT_OK)
  to.instance(at.about, message)
  to.byte(at.ok, message.ok ? 1 : 0)
  to.vector(at.deps, message.deps)
}

export function writeDecision(to: Writer, message: Accept | Commit): void {
  const { batch, deps } = message
  const isAccept = message.type === MessageType.accept
  const shape = batch === null ? (isAccept ? ACCEPT_BARE : COMMIT_BARE) : isAccept ? ACCEPT : COMMIT
  const { at, words } = shape
  to.reserve(words + vectorWords(deps) + (batch === null ? 0 : batchWords(batch)))
  to.begin(shape)
  to.instance(at.about, message)
  to.whole(at.ballot, message.ballot)
  to.byte(at.command, message.command)
  to.vector(at.deps, deps)
  if (batch === null) return
  to.uint32s(ACCEPT.at.footprint, batch.footprint)
  to.ubytes(ACCEPT.at.commands, batch.commands)
}

export function writeAcceptOk(to: Writer, message: AcceptOk): void {
  const { at, words } = ACCEPT_OK
  to.reserve(words)
  to.begin(ACCEPT_OK)
  to.instance(at.about, message)
  to.whole(at.ballot, message.ballot)
}

export function writeHeartbeat(to: Writer, message: Heartbeat): void {
  const { at, words } = HEARTBEAT
  to.reserve(words + 3 * vectorWords(message.committed))
  to.begin(HEARTBEAT)
  to.uint32(at.epoch, message.epoch)
  to.whole(at.sent_us, Math.round(message.sentMs * 1000))
  to.whole(at.echo_us, Math.round(message.echoMs * 1000))
  to.vector(at.committed, message.committed)
  to.vector(at.executed, message.executed)
  to.vector(at.floor, message.floor)
  to.whole(at.journal, message.journal)
  to.whole(at.state, message.state)
}

/** Throws `too_large` for too many keys. */
export function writeProbe(to: Writer, message: Probe): void {
  const { at, words } = PROBE
  const { keys, executed } = message
  if (keys.length > MAX_PROBE_WORDS) throw tooLarge('words of keys', keys.length, MAX_PROBE_WORDS)
  to.reserve(words + 1 + keys.length + vectorWords(executed))
  to.begin(PROBE)
  to.uint32(at.epoch, message.epoch)
  to.whole(at.start, message.start)
  to.whole(at.number, message.number)
  to.uint32s(at.keys, keys)
  to.vector(at.executed, executed)
}

/** The message at `[start, end)`. Null if it is not a hot message in canonical layout, or breaks a rule. */
export function readDirect(from: Reader, start: number, end: number): Message | null {
  if (end - start <= TYPE_AT) return null
  switch (from.view.getUint8(start + TYPE_AT)) {
    case MessageType.preAccept:
      return readPreAccept(from, start, end)
    case MessageType.preAcceptOk:
      return readPreAcceptOk(from, start, end)
    case MessageType.accept:
      return readDecision(from, start, end, MessageType.accept)
    case MessageType.acceptOk:
      return readAcceptOk(from, start, end)
    case MessageType.commit:
      return readDecision(from, start, end, MessageType.commit)
    case MessageType.heartbeat:
      return readHeartbeat(from, start, end)
    case MessageType.probe:
      return readProbe(from, start, end)
    default:
      return null
  }
}

function readPreAccept(from: Reader, start: number, end: number): PreAccept | null {
  const { at } = PRE_ACCEPT
  if (!from.begin(PRE_ACCEPT, start, end)) return null
  from.require(from.byte(at.mode) === Mode.all)
  const message: PreAccept = {
    type: MessageType.preAccept,
    epoch: from.uint32(at.about),
    row: from.row(at.about + 1),
    slot: from.slot(at.about + 2),
    mode: Mode.all,
    initDeps: from.vector(at.init_deps),
    batch: from.batch(at.footprint, at.commands),
  }
  return from.complete ? message : null
}

function readPreAcceptOk(from: Reader, start: number, end: number): PreAcceptOk | null {
  const { at } = PRE_ACCEPT_OK
  if (!from.begin(PRE_ACCEPT_OK, start, end)) return null
  const message: PreAcceptOk = {
    type: MessageType.preAcceptOk,
    epoch: from.uint32(at.about),
    row: from.row(at.about + 1),
    slot: from.slot(at.about + 2),
    ok: from.flag(at.ok),
    deps: from.vector(at.deps),
  }
  return from.complete ? message : null
}

function readDecision<Type extends 3 | 5>(from: Reader, start: number, end: number, type: Type) {
  const isAccept = type === MessageType.accept
  const hasBatch = from.begin(isAccept ? ACCEPT : COMMIT, start, end)
  if (!hasBatch && !from.begin(isAccept ? ACCEPT_BARE : COMMIT_BARE, start, end)) return null
  const { at } = hasBatch ? ACCEPT : ACCEPT_BARE
  const command = from.byte(at.command) === Command.batch ? Command.batch : Command.noop
  from.require(command === from.byte(at.command) && (command === Command.batch || !hasBatch))
  const message = {
    type,
    epoch: from.uint32(at.about),
    row: from.row(at.about + 1),
    slot: from.slot(at.about + 2),
    ballot: from.whole(at.ballot),
    command,
    deps: from.vector(at.deps),
    batch: hasBatch ? from.batch(ACCEPT.at.footprint, ACCEPT.at.commands) : null,
  }
  return from.complete ? message : null
}

function readAcceptOk(from: Reader, start: number, end: number): AcceptOk | null {
  const { at } = ACCEPT_OK
  if (!from.begin(ACCEPT_OK, start, end)) return null
  const message: AcceptOk = {
    type: MessageType.acceptOk,
    epoch: from.uint32(at.about),
    row: from.row(at.about + 1),
    slot: from.slot(at.about + 2),
    ballot: from.whole(at.ballot),
  }
  return from.complete ? message : null
}

function readHeartbeat(from: Reader, start: number, end: number): Heartbeat | null {
  const { at } = HEARTBEAT
  if (!from.begin(HEARTBEAT, start, end)) return null
  const message: Heartbeat = {
    type: MessageType.heartbeat,
    epoch: from.uint32(at.epoch),
    sentMs: from.whole(at.sent_us) / 1000,
    echoMs: from.whole(at.echo_us) / 1000,
    committed: from.vector(at.committed),
    executed: from.vector(at.executed),
    floor: from.vector(at.floor),
    journal: from.whole(at.journal),
    state: from.whole(at.state),
  }
  return from.complete ? message : null
}

function readProbe(from: Reader, start: number, end: number): Probe | null {
  const { at } = PROBE
  if (!from.begin(PROBE, start, end)) return null
  const message: Probe = {
    type: MessageType.probe,
    epoch: from.uint32(at.epoch),
    start: from.whole(at.start),
    number: from.whole(at.number),
    keys: from.uint32s(at.keys, MAX_PROBE_WORDS),
    executed: from.vector(at.executed),
  }
  from.require(message.keys.length % 2 === 0)
  return from.complete ? message : null
}
