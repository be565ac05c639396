import { Builder, type Offset } from 'flatbuffers'
import { buildBatch, buildVector, buildWhole } from '../../src/codec/accessors.ts'
import { ClientMessageType, CONSISTENCIES, type Request, type Response } from '../../src/codec/client.ts'
import { ClientMessage } from '../../src/codec/generated/client/client-message.ts'
import { Request as RequestBody } from '../../src/codec/generated/client/request.ts'
import { Response as ResponseBody } from '../../src/codec/generated/client/response.ts'
import { Instance } from '../../src/codec/generated/common/instance.ts'
import { Acc } from '../../src/codec/generated/journal/acc.ts'
import { Com } from '../../src/codec/generated/journal/com.ts'
import { JournalEntry } from '../../src/codec/generated/journal/journal-entry.ts'
import { Pre } from '../../src/codec/generated/journal/pre.ts'
import { Accept as AcceptBody } from '../../src/codec/generated/peer/accept.ts'
import { AcceptOk as AcceptOkBody } from '../../src/codec/generated/peer/accept-ok.ts'
import { Commit as CommitBody } from '../../src/codec/generated/peer/commit.ts'
import { Heartbeat as HeartbeatBody } from '../../src/codec/generated/peer/heartbeat.ts'
import { PeerMessage } from '../../src/codec/generated/peer/peer-message.ts'
import { PreAccept as PreAcceptBody } from '../../src/codec/generated/peer/pre-accept.ts'
import { PreAcceptOk as PreAcceptOkBody } from '../../src/codec/generated/peer/pre-accept-ok.ts'
import { Probe as ProbeBody } from '../../src/codec/generated/peer/probe.ts'
import {
  type Accept,
  type AcceptOk,
  type AnyMessage,
  type Commit,
  type Heartbeat,
  MessageType,
  type PreAccept,
  type PreAcceptOk,
  type Probe,
} from '../../src/protocol/messages.ts'
import { type AccRecord, type ComRecord, type PreRecord, RecordType } from '../../src/protocol/records.ts'

/**
 * Builds the hot messages with the generated builders: a valid layout other than the canonical one, as other
 * implementations would write.
 */

export type HotMessage = PreAccept | PreAcceptOk | Accept | AcceptOk | Commit | Heartbeat | Probe
export type HotRecord = PreRecord | AccRecord | ComRecord

export function isHot(message: AnyMessage): message is HotMessage {
  const { type } = message
  return type <= MessageType.commit || type === MessageType.heartbeat || type === MessageType.probe
}

/** With its size in front. */
export function buildHotMessage(message: HotMessage, builder = new Builder(256)): Uint8Array {
  builder.clear()
  const body = messageBody(builder, message)
  const root = PeerMessage.createPeerMessage(builder, message.type, body)
  PeerMessage.finishSizePrefixedPeerMessageBuffer(builder, root)
  return builder.asUint8Array()
}

/** Without size and checksum. */
export function buildHotRecord(record: HotRecord): Uint8Array {
  const builder = new Builder(256)
  const body = record.type === RecordType.pre ? preBody(builder, record) : decisionBody(builder, record, Acc, Com)
  JournalEntry.finishJournalEntryBuffer(builder, JournalEntry.createJournalEntry(builder, record.type, body))
  return builder.asUint8Array()
}

/** With its size in front. */
export function buildHotClient(message: Request | Response): Uint8Array {
  const builder = new Builder(256)
  const body = message.type === ClientMessageType.request ? requestBody(builder, message) : doneBody(builder, message)
  const root = ClientMessage.createClientMessage(builder, message.type, body)
  ClientMessage.finishSizePrefixedClientMessageBuffer(builder, root)
  return builder.asUint8Array()
}

function requestBody(builder: Builder, { id, group, consistency, min, tokens }: Request): Offset {
  const bytes = builder.createByteVector(group)
  const minimum = min === '' ? 0 : builder.createByteVector(text.encode(min))
  return RequestBody.createRequest(builder, id, bytes, CONSISTENCIES.indexOf(consistency), minimum, tokens)
}

const text = new TextEncoder()

function doneBody(builder: Builder, message: Response): Offset {
  const results = builder.createByteVector(message.results)
  const token = message.token === '' ? 0 : builder.createByteVector(text.encode(message.token))
  ResponseBody.startResponse(builder)
  ResponseBody.addId(builder, message.id)
  ResponseBody.addResults(builder, results)
  ResponseBody.addToken(builder, token)
  if (message.ageMs !== null) ResponseBody.addAgeMs(builder, message.ageMs)
  return ResponseBody.endResponse(builder)
}

function about(builder: Builder, { epoch, row, slot }: { epoch: number; row: number; slot: number }): Offset {
  return Instance.createInstance(builder, epoch, row, slot >>> 0, Math.floor(slot / 2 ** 32))
}

function messageBody(builder: Builder, message: HotMessage): Offset {
  switch (message.type) {
    case MessageType.preAccept: {
      const [footprint, commands] = buildBatch(builder, message.batch)
      const initDeps = buildVector(builder, message.initDeps)
      PreAcceptBody.startPreAccept(builder)
      PreAcceptBody.addAbout(builder, about(builder, message))
      PreAcceptBody.addInitDeps(builder, initDeps)
      PreAcceptBody.addFootprint(builder, footprint)
      PreAcceptBody.addCommands(builder, commands)
      PreAcceptBody.addMode(builder, message.mode)
      return PreAcceptBody.endPreAccept(builder)
    }
    case MessageType.preAcceptOk: {
      const deps = buildVector(builder, message.deps)
      PreAcceptOkBody.startPreAcceptOk(builder)
      PreAcceptOkBody.addAbout(builder, about(builder, message))
      PreAcceptOkBody.addDeps(builder, deps)
      PreAcceptOkBody.addOk(builder, message.ok)
      return PreAcceptOkBody.endPreAcceptOk(builder)
    }
    case MessageType.acceptOk:
      AcceptOkBody.startAcceptOk(builder)
      AcceptOkBody.addAbout(builder, about(builder, message))
      AcceptOkBody.addBallot(builder, buildWhole(builder, message.ballot))
      return AcceptOkBody.endAcceptOk(builder)
    case MessageType.heartbeat:
      return heartbeatBody(builder, message)
    case MessageType.probe:
      return probeBody(builder, message)
    default:
      return decisionBody(builder, message, AcceptBody, CommitBody)
  }
}

function heartbeatBody(builder: Builder, message: Heartbeat): Offset {
  const committed = buildVector(builder, message.committed)
  const executed = buildVector(builder, message.executed)
  const floor = buildVector(builder, message.floor)
  HeartbeatBody.startHeartbeat(builder)
  HeartbeatBody.addEpoch(builder, message.epoch)
  HeartbeatBody.addSentUs(builder, buildWhole(builder, Math.round(message.sentMs * 1000)))
  HeartbeatBody.addEchoUs(builder, buildWhole(builder, Math.round(message.echoMs * 1000)))
  HeartbeatBody.addCommitted(builder, committed)
  HeartbeatBody.addExecuted(builder, executed)
  HeartbeatBody.addFloor(builder, floor)
  HeartbeatBody.addJournal(builder, buildWhole(builder, message.journal))
  HeartbeatBody.addState(builder, buildWhole(builder, message.state))
  return HeartbeatBody.endHeartbeat(builder)
}

function probeBody(builder: Builder, message: Probe): Offset {
  const executed = buildVector(builder, message.executed)
  const keys = ProbeBody.createKeysVector(builder, message.keys)
  ProbeBody.startProbe(builder)
  ProbeBody.addEpoch(builder, message.epoch)
  ProbeBody.addStart(builder, buildWhole(builder, message.start))
  ProbeBody.addNumber(builder, buildWhole(builder, message.number))
  ProbeBody.addKeys(builder, keys)
  ProbeBody.addExecuted(builder, executed)
  return ProbeBody.endProbe(builder)
}

function preBody(builder: Builder, record: PreRecord): Offset {
  const [footprint, commands] = buildBatch(builder, record.batch)
  const initDeps = buildVector(builder, record.initDeps)
  const deps = buildVector(builder, record.deps)
  Pre.startPre(builder)
  Pre.addAbout(builder, about(builder, record))
  Pre.addInitDeps(builder, initDeps)
  Pre.addDeps(builder, deps)
  Pre.addFootprint(builder, footprint)
  Pre.addCommands(builder, commands)
  Pre.addMode(builder, record.mode)
  Pre.addOk(builder, record.ok)
  return Pre.endPre(builder)
}

/** The four decisions have the same fields. */
function decisionBody(
  builder: Builder,
  decision: Accept | Commit | AccRecord | ComRecord,
  accept: typeof AcceptBody | typeof Acc,
  commit: typeof CommitBody | typeof Com,
): Offset {
  const isAccept = decision.type === MessageType.accept || decision.type === RecordType.acc
  const at = decision.batch === null ? null : buildBatch(builder, decision.batch)
  const deps = buildVector(builder, decision.deps)
  const table = (isAccept ? accept : commit) as typeof AcceptBody
  builder.startObject(6)
  table.addAbout(builder, about(builder, decision))
  table.addBallot(builder, buildWhole(builder, decision.ballot))
  table.addDeps(builder, deps)
  table.addCommand(builder, decision.command)
  if (at !== null) {
    table.addFootprint(builder, at[0])
    table.addCommands(builder, at[1])
  }
  return builder.endObject()
}
