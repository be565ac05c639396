import * as flatbuffers from 'flatbuffers'
import { Command, Mode } from '../protocol/messages.ts'
import {
  type AccRecord,
  type BalRecord,
  type ComRecord,
  type JournalRecord,
  type MemberRecord,
  type PeerRecord,
  type PreRecord,
  RecordType,
  type Start,
  type ValRecord,
} from '../protocol/records.ts'
import {
  absent,
  batchOf,
  buildBatch,
  buildVector,
  buildWhole,
  built,
  flagOf,
  idOf,
  oneOf,
  vectorOf,
  wholeOf,
} from './accessors.ts'
import { Instance } from './generated/common/instance.ts'
import { Whole } from './generated/common/whole.ts'
import { Acc } from './generated/journal/acc.ts'
import { Bal } from './generated/journal/bal.ts'
import { Com } from './generated/journal/com.ts'
import { JournalEntry } from './generated/journal/journal-entry.ts'
import { Met } from './generated/journal/met.ts'
import { Peer } from './generated/journal/peer.ts'
import { Pre } from './generated/journal/pre.ts'
import { Start as StartBody } from './generated/journal/start.ts'
import { Val } from './generated/journal/val.ts'
import { INCARNATION_BYTES, START_NONCE_BYTES } from './limits.ts'
import { malformed, tooLarge } from './malformed.ts'

/** Reads every record in any valid layout, through the generated accessors, and builds the records that are not hot. */

const instance = new Instance()
const whole = new Whole()

/**
 * The record. The bytes must be verified against the schema; this checks what a schema cannot say. Throws `malformed`.
 */
export function readGenerated(flatbuffer: Uint8Array, replicas: number): JournalRecord {
  const root = JournalEntry.getRootAsJournalEntry(new flatbuffers.ByteBuffer(flatbuffer))
  switch (root.bodyType()) {
    case RecordType.pre:
      return preOf(root.body(new Pre()), replicas)
    case RecordType.acc:
      return { type: RecordType.acc, ...decisionOf(root.body(new Acc()), replicas) }
    case RecordType.bal: {
      const body: Bal = root.body(new Bal())
      return {
        type: RecordType.bal,
        ...idOf(body.about(instance), replicas),
        ballot: wholeOf(body.ballot(whole), 'ballot'),
      }
    }
    case RecordType.val: {
      const body: Val = root.body(new Val())
      return {
        type: RecordType.val,
        ...idOf(body.about(instance), replicas),
        initDeps: vectorOf(body.initDepsLength(), (i, lanes) => body.initDeps(i, lanes), 'initDeps', replicas),
        batch: batchOf(body, 8),
      }
    }
    case RecordType.com:
      return { type: RecordType.com, ...decisionOf(root.body(new Com()), replicas) }
    case RecordType.peer:
      return peerOf(root.body(new Peer()))
    case RecordType.met: {
      const body: Met = root.body(new Met())
      return { type: RecordType.met, id: body.id() }
    }
    case RecordType.start:
      return { type: RecordType.start, ...startOf(root.body(new StartBody())) }
    default:
      throw malformed(`type ${root.bodyType()}`)
  }
}

function preOf(body: Pre, replicas: number): PreRecord {
  absent(body, 18, 'quorum')
  return {
    type: RecordType.pre,
    ...idOf(body.about(instance), replicas),
    mode: oneOf(Mode, body.mode(), 'mode'),
    ok: flagOf(body, 16, 'ok'),
    initDeps: vectorOf(body.initDepsLength(), (i, lanes) => body.initDeps(i, lanes), 'initDeps', replicas),
    deps: vectorOf(body.depsLength(), (i, lanes) => body.deps(i, lanes), 'deps', replicas),
    batch: batchOf(body, 10) as PreRecord['batch'],
  }
}

function decisionOf(body: Acc | Com, replicas: number): Omit<AccRecord | ComRecord, 'type'> {
  const command = oneOf(Command, body.command(), 'command')
  const batch = batchOf(body, 12)
  if (command === Command.unknown) throw malformed('a decision on an unknown command')
  if (command === Command.noop && batch !== null) throw malformed('a no-op with a batch')
  return {
    ...idOf(body.about(instance), replicas),
    ballot: wholeOf(body.ballot(whole), 'ballot'),
    command,
    deps: vectorOf(body.depsLength(), (i, lanes) => body.deps(i, lanes), 'deps', replicas),
    batch,
  }
}

function peerOf(body: Peer): PeerRecord {
  return {
    type: RecordType.peer,
    id: body.id(),
    incarnation: bytesOf(body.incarnationArray(), INCARNATION_BYTES, 'an incarnation'),
    start: startOf(body),
    heard: wholeOf(body.heard(whole), 'heard'),
  }
}

function startOf(body: Peer | StartBody): Start {
  const number = wholeOf(body.start(whole), 'start')
  if (number === 0) throw malformed('starts count from 1')
  return { number, nonce: bytesOf(body.nonceArray(), START_NONCE_BYTES, 'a nonce') }
}

function bytesOf(bytes: Uint8Array | null, size: number, what: string): Uint8Array {
  const copy = (bytes as Uint8Array).slice()
  if (copy.length !== size) throw malformed(`${what} of ${copy.length} bytes`)
  return copy
}

type ColdRecord = BalRecord | ValRecord | MemberRecord

/** The flatbuffer, valid until the next call. Throws `too_large`. */
export function buildRecord(record: ColdRecord): Uint8Array {
  return built((builder) => {
    const body = buildBody(builder, record)
    JournalEntry.finishJournalEntryBuffer(builder, JournalEntry.createJournalEntry(builder, record.type, body))
  })
}

function buildBody(builder: flatbuffers.Builder, record: ColdRecord): flatbuffers.Offset {
  switch (record.type) {
    case RecordType.peer:
      return buildPeer(builder, record)
    case RecordType.met:
      Met.startMet(builder)
      Met.addId(builder, record.id)
      return Met.endMet(builder)
    case RecordType.start: {
      const nonce = buildBytes(builder, record.nonce, START_NONCE_BYTES, 'bytes of a nonce')
      StartBody.startStart(builder)
      StartBody.addStart(builder, buildWhole(builder, record.number))
      StartBody.addNonce(builder, nonce)
      return StartBody.endStart(builder)
    }
    default:
      return buildInstanceRecord(builder, record)
  }
}

function buildInstanceRecord(builder: flatbuffers.Builder, record: BalRecord | ValRecord): flatbuffers.Offset {
  const { epoch, row, slot } = record
  const about = () => Instance.createInstance(builder, epoch, row, slot >>> 0, Math.floor(slot / 0x1_0000_0000))
  if (record.type === RecordType.bal) {
    Bal.startBal(builder)
    Bal.addAbout(builder, about())
    Bal.addBallot(builder, buildWhole(builder, record.ballot))
    return Bal.endBal(builder)
  }
  const batch = record.batch === null ? null : buildBatch(builder, record.batch)
  const initDeps = buildVector(builder, record.initDeps)
  Val.startVal(builder)
  Val.addAbout(builder, about())
  Val.addInitDeps(builder, initDeps)
  if (batch !== null) {
    Val.addFootprint(builder, batch[0])
    Val.addCommands(builder, batch[1])
  }
  return Val.endVal(builder)
}

function buildPeer(builder: flatbuffers.Builder, record: PeerRecord): flatbuffers.Offset {
  const incarnation = buildBytes(builder, record.incarnation, INCARNATION_BYTES, 'bytes of an incarnation')
  const nonce = buildBytes(builder, record.start.nonce, START_NONCE_BYTES, 'bytes of a nonce')
  Peer.startPeer(builder)
  Peer.addId(builder, record.id)
  Peer.addIncarnation(builder, incarnation)
  Peer.addStart(builder, buildWhole(builder, record.start.number))
  Peer.addNonce(builder, nonce)
  Peer.addHeard(builder, buildWhole(builder, record.heard))
  return Peer.endPeer(builder)
}

function buildBytes(builder: flatbuffers.Builder, bytes: Uint8Array, size: number, what: string): flatbuffers.Offset {
  if (bytes.length !== size) throw tooLarge(what, bytes.length, size)
  return builder.createByteVector(bytes)
}
