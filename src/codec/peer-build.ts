import type { Builder, Offset } from 'flatbuffers'
import {
  type Ask,
  type CheckpointAsk,
  type CheckpointChunk,
  type CheckpointMessage,
  type InstanceMessage,
  MessageType,
  type Nack,
  type ProbeOk,
  type Recover,
  type RecoverOk,
  type Truncated,
  type TryRecover,
  type Validate,
  type ValidateOk,
  type Waiting,
  type Writer,
} from '../protocol/messages.ts'
import { buildBatch, buildVector, buildWhole, built } from './accessors.ts'
import { Instance } from './generated/common/instance.ts'
import { Ask as AskBody } from './generated/peer/ask.ts'
import { CheckpointAsk as CheckpointAskBody } from './generated/peer/checkpoint-ask.ts'
import { CheckpointChunk as CheckpointChunkBody } from './generated/peer/checkpoint-chunk.ts'
import { Conflict as ConflictElement } from './generated/peer/conflict.ts'
import { Nack as NackBody } from './generated/peer/nack.ts'
import { NotYet as NotYetBody } from './generated/peer/not-yet.ts'
import { PeerMessage } from './generated/peer/peer-message.ts'
import { ProbeOk as ProbeOkBody } from './generated/peer/probe-ok.ts'
import { Recover as RecoverBody } from './generated/peer/recover.ts'
import { RecoverOk as RecoverOkBody } from './generated/peer/recover-ok.ts'
import { Run as RunElement } from './generated/peer/run.ts'
import { Truncated as TruncatedBody } from './generated/peer/truncated.ts'
import { TryRecover as TryRecoverBody } from './generated/peer/try-recover.ts'
import { Validate as ValidateBody } from './generated/peer/validate.ts'
import { ValidateOk as ValidateOkBody } from './generated/peer/validate-ok.ts'
import { Waiting as WaitingBody } from './generated/peer/waiting.ts'
import { Writer as WriterElement } from './generated/peer/writer.ts'
import { MAX_CHECKPOINT_CHUNK_BYTES, MAX_CONFLICTS, MAX_PROBE_WRITERS, MAX_RUNS } from './limits.ts'
import { tooLarge } from './malformed.ts'

/** Messages that are not hot, written with the generated builders. */
export type ColdMessage =
  | Recover
  | RecoverOk
  | Validate
  | ValidateOk
  | Waiting
  | Nack
  | TryRecover
  | Ask
  | Truncated
  | ProbeOk
  | CheckpointMessage

/** The message with its size in front. Throws `too_large`. */
export function buildMessage(message: ColdMessage): Uint8Array {
  return built((builder) => {
    const body = buildBody(builder, message)
    PeerMessage.finishSizePrefixedPeerMessageBuffer(builder, PeerMessage.createPeerMessage(builder, message.type, body))
  }).slice()
}

function buildBody(builder: Builder, message: ColdMessage): Offset {
  switch (message.type) {
    case MessageType.recoverOk:
      return buildRecoverOk(builder, message)
    case MessageType.validate:
      return buildValidate(builder, message)
    case MessageType.validateOk:
      return buildValidateOk(builder, message)
    case MessageType.recover:
      RecoverBody.startRecover(builder)
      RecoverBody.addAbout(builder, buildInstance(builder, message))
      RecoverBody.addBallot(builder, buildWhole(builder, message.ballot))
      return RecoverBody.endRecover(builder)
    case MessageType.nack:
      NackBody.startNack(builder)
      NackBody.addAbout(builder, buildInstance(builder, message))
      NackBody.addBallot(builder, buildWhole(builder, message.ballot))
      return NackBody.endNack(builder)
    case MessageType.waiting:
      WaitingBody.startWaiting(builder)
      WaitingBody.addAbout(builder, buildInstance(builder, message))
      WaitingBody.addCount(builder, message.count)
      return WaitingBody.endWaiting(builder)
    case MessageType.tryRecover:
      TryRecoverBody.startTryRecover(builder)
      TryRecoverBody.addAbout(builder, buildInstance(builder, message))
      return TryRecoverBody.endTryRecover(builder)
    case MessageType.ask:
      AskBody.startAsk(builder)
      AskBody.addAbout(builder, buildInstance(builder, message))
      AskBody.addCount(builder, message.count)
      return AskBody.endAsk(builder)
    case MessageType.truncated: {
      const executed = buildVector(builder, message.executed)
      TruncatedBody.startTruncated(builder)
      TruncatedBody.addAbout(builder, buildInstance(builder, message))
      TruncatedBody.addExecuted(builder, executed)
      return TruncatedBody.endTruncated(builder)
    }
    case MessageType.probeOk:
      return buildProbeOk(builder, message)
    case MessageType.checkpointAsk:
      return buildCheckpointAsk(builder, message)
    case MessageType.checkpointChunk:
      return buildCheckpointChunk(builder, message)
    case MessageType.notYet:
      NotYetBody.startNotYet(builder)
      NotYetBody.addEpoch(builder, message.epoch)
      return NotYetBody.endNotYet(builder)
  }
}

function buildRecoverOk(builder: Builder, message: RecoverOk): Offset {
  const batch = message.batch === null ? null : buildBatch(builder, message.batch)
  const deps = message.deps === null ? 0 : buildVector(builder, message.deps)
  const initDeps = message.initDeps === null ? 0 : buildVector(builder, message.initDeps)
  RecoverOkBody.startRecoverOk(builder)
  RecoverOkBody.addAbout(builder, buildInstance(builder, message))
  RecoverOkBody.addBallot(builder, buildWhole(builder, message.ballot))
  RecoverOkBody.addVoteBallot(builder, buildWhole(builder, message.voteBallot))
  RecoverOkBody.addInitDeps(builder, initDeps)
  RecoverOkBody.addDeps(builder, deps)
  if (batch !== null) {
    RecoverOkBody.addFootprint(builder, batch[0])
    RecoverOkBody.addCommands(builder, batch[1])
  }
  RecoverOkBody.addPhase(builder, message.phase)
  RecoverOkBody.addCommand(builder, message.command)
  RecoverOkBody.addMode(builder, message.mode)
  RecoverOkBody.addOk(builder, message.ok)
  return RecoverOkBody.endRecoverOk(builder)
}

function buildValidate(builder: Builder, message: Validate): Offset {
  const [footprint, commands] = buildBatch(builder, message.batch)
  const deps = buildVector(builder, message.deps)
  ValidateBody.startValidate(builder)
  ValidateBody.addAbout(builder, buildInstance(builder, message))
  ValidateBody.addBallot(builder, buildWhole(builder, message.ballot))
  ValidateBody.addDeps(builder, deps)
  ValidateBody.addFootprint(builder, footprint)
  ValidateBody.addCommands(builder, commands)
  return ValidateBody.endValidate(builder)
}

function buildValidateOk(builder: Builder, message: ValidateOk): Offset {
  const count = message.conflicts.length
  if (count > MAX_CONFLICTS) throw tooLarge('conflicts', count, MAX_CONFLICTS)
  ValidateOkBody.startConflictsVector(builder, count)
  for (const { row, slot, phase } of message.conflicts.toReversed()) {
    ConflictElement.createConflict(builder, slot >>> 0, Math.floor(slot / 0x1_0000_0000), row, phase)
  }
  const conflicts = builder.endVector()
  ValidateOkBody.startValidateOk(builder)
  ValidateOkBody.addAbout(builder, buildInstance(builder, message))
  ValidateOkBody.addBallot(builder, buildWhole(builder, message.ballot))
  ValidateOkBody.addConflicts(builder, conflicts)
  return ValidateOkBody.endValidateOk(builder)
}

function buildProbeOk(builder: Builder, message: ProbeOk): Offset {
  const { length } = message.writers
  if (length > MAX_PROBE_WRITERS) throw tooLarge('writers', length, MAX_PROBE_WRITERS)
  ProbeOkBody.startWritersVector(builder, length)
  for (let i = length - 1; i >= 0; i--) {
    const { key, row, slot } = message.writers[i] as Writer
    WriterElement.createWriter(builder, slot >>> 0, Math.floor(slot / 0x1_0000_0000), key, row)
  }
  const writers = builder.endVector()
  const floor = buildVector(builder, message.floor)
  ProbeOkBody.startProbeOk(builder)
  ProbeOkBody.addEpoch(builder, message.epoch)
  ProbeOkBody.addStart(builder, buildWhole(builder, message.start))
  ProbeOkBody.addNumber(builder, buildWhole(builder, message.number))
  ProbeOkBody.addFloor(builder, floor)
  ProbeOkBody.addWriters(builder, writers)
  return ProbeOkBody.endProbeOk(builder)
}

function buildCheckpointAsk(builder: Builder, message: CheckpointAsk): Offset {
  const { epoch, lacking, executed, number, chunk, count } = message
  const { prefix, runs } = executed
  if (runs.length > MAX_RUNS) throw tooLarge('runs', runs.length, MAX_RUNS)
  CheckpointAskBody.startBeyondVector(builder, runs.length)
  for (const run of runs.toReversed()) {
    RunElement.createRun(builder, ...lanesOf(run.first), ...lanesOf(run.count), run.row)
  }
  const beyond = builder.endVector()
  const vector = buildVector(builder, prefix)
  CheckpointAskBody.startCheckpointAsk(builder)
  CheckpointAskBody.addLacking(builder, buildInstance(builder, { epoch, ...lacking }))
  CheckpointAskBody.addExecuted(builder, vector)
  CheckpointAskBody.addBeyond(builder, beyond)
  CheckpointAskBody.addNumber(builder, buildWhole(builder, number))
  CheckpointAskBody.addChunk(builder, chunk)
  CheckpointAskBody.addCount(builder, count)
  return CheckpointAskBody.endCheckpointAsk(builder)
}

function buildCheckpointChunk(builder: Builder, { epoch, number, chunk, bytes }: CheckpointChunk): Offset {
  const { length } = bytes
  if (length > MAX_CHECKPOINT_CHUNK_BYTES) throw tooLarge('bytes of a chunk', length, MAX_CHECKPOINT_CHUNK_BYTES)
  const vector = builder.createByteVector(bytes)
  CheckpointChunkBody.startCheckpointChunk(builder)
  CheckpointChunkBody.addEpoch(builder, epoch)
  CheckpointChunkBody.addNumber(builder, buildWhole(builder, number))
  CheckpointChunkBody.addChunk(builder, chunk)
  CheckpointChunkBody.addBytes(builder, vector)
  return CheckpointChunkBody.endCheckpointChunk(builder)
}

function lanesOf(value: number): [number, number] {
  return [value >>> 0, Math.floor(value / 0x1_0000_0000)]
}

function buildInstance(
  builder: Builder,
  { epoch, row, slot }: Pick<InstanceMessage, 'epoch' | 'row' | 'slot'>,
): Offset {
  return Instance.createInstance(builder, epoch, row, slot >>> 0, Math.floor(slot / 0x1_0000_0000))
}
