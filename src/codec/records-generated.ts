import * as flatbuffers from 'flatbuffers'
import { Command, Mode } from '../protocol/messages.ts'
import {
  type AccRecord,
  type BalRecord,
  type ComRecord,
  type JournalRecord,
  type PeerRecord,
  type PreRecord,
  RecordType,
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
  rowOf,
  vectorOf,
  wholeOf,
} from './accessors.ts'
import { Instance } from './generated/common/instance.ts'
import { Whole } from './generated/common/whole.ts'
import { Acc } from './generated/journal/acc.ts'
import { Bal } from './generated/journal/bal.ts'
import { Com } from './generated/journal/com.ts'
import { JournalEntry } from './generated/journal/journal-entry.ts'
import { Peer } from './generated/journal/peer.ts'
import { Pre } from './generated/journal/pre.ts'
import { Val } from './generated/journal/val.ts'
import { INCARNATION_BYTES } from './limits.ts'
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
      return peerOf(root.body(new Peer()), replicas)
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

function peerOf(body: Peer, replicas: number): PeerRecord {
  const incarnation = (body.incarnationArray() as Uint8Array).slice()
  if (incarnation.length !== INCARNATION_BYTES) throw malformed(`an incarnation of ${incarnation.length} bytes`)
  return { type: RecordType.peer, row: rowOf(body.row(), replicas), incarnation }
}

/** The flatbuffer, valid until the next call. Throws `too_large`. */
export function buildRecord(record: BalRecord | ValRecord | PeerRecord): Uint8Array {
  return built((builder) => {
    const body = buildBody(builder, record)
    JournalEntry.finishJournalEntryBuffer(builder, JournalEntry.createJournalEntry(builder, record.type, body))
  })
}

function buildBody(builder: flatbuffers.Builder, record: BalRecord | ValRecord | PeerRecord): flatbuffers.Offset {
  if (record.type === RecordType.peer) return buildPeer(builder, record)
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
  const size = record.incarnation.length
  if (size !== INCARNATION_BYTES) throw tooLarge('bytes of an incarnation', size, INCARNATION_BYTES)
  const incarnation = builder.createByteVector(record.incarnation)
  Peer.startPeer(builder)
  Peer.addRow(builder, record.row)
  Peer.addIncarnation(builder, incarnation)
  return Peer.endPeer(builder)
}
