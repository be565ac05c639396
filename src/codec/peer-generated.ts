import * as flatbuffers from 'flatbuffers'
import {
  type Accept,
  type AnyMessage,
  type CheckpointAsk,
  Command,
  type Commit,
  type Conflict,
  MessageType,
  Mode,
  Phase,
  type PreAccept,
  type ProbeOk,
  type RecoverOk,
  type ValidateOk,
  type Writer,
} from '../protocol/messages.ts'
import { absent, batchOf, flagOf, idOf, isThere, oneOf, rowOf, vectorOf, wholeOf } from './accessors.ts'
import { Instance } from './generated/common/instance.ts'
import { Whole } from './generated/common/whole.ts'
import { Accept as AcceptBody } from './generated/peer/accept.ts'
import { AcceptOk as AcceptOkBody } from './generated/peer/accept-ok.ts'
import { Ask as AskBody } from './generated/peer/ask.ts'
import { CheckpointAsk as CheckpointAskBody } from './generated/peer/checkpoint-ask.ts'
import { CheckpointChunk as CheckpointChunkBody } from './generated/peer/checkpoint-chunk.ts'
import { Commit as CommitBody } from './generated/peer/commit.ts'
import { Conflict as ConflictElement } from './generated/peer/conflict.ts'
import { Heartbeat as HeartbeatBody } from './generated/peer/heartbeat.ts'
import { Nack as NackBody } from './generated/peer/nack.ts'
import { NotYet as NotYetBody } from './generated/peer/not-yet.ts'
import { PeerMessage } from './generated/peer/peer-message.ts'
import { PreAccept as PreAcceptBody } from './generated/peer/pre-accept.ts'
import { PreAcceptOk as PreAcceptOkBody } from './generated/peer/pre-accept-ok.ts'
import { Probe as ProbeBody } from './generated/peer/probe.ts'
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
import { MAX_ASK_SLOTS, MAX_CHECKPOINT_CHUNKS } from './limits.ts'
import { malformed } from './malformed.ts'

/**
 * Every message in any valid layout, through the generated accessors. The bytes must be verified against the schema;
 * this checks what a schema cannot say. Throws `malformed`.
 */
export function readGenerated(flatbuffer: Uint8Array, replicas: number): AnyMessage {
  const root = PeerMessage.getRootAsPeerMessage(new flatbuffers.ByteBuffer(flatbuffer))
  const type = root.bodyType()
  const read = readers[type as MessageType] as ((root: PeerMessage, replicas: number) => AnyMessage) | undefined
  if (read === undefined) throw malformed(`type ${type}`)
  return read(root, replicas)
}

const instance = new Instance()
const whole = new Whole()

/** The reader of each message type. */
const readers: { readonly [T in MessageType]: (root: PeerMessage, replicas: number) => AnyMessage & { type: T } } = {
  [MessageType.preAccept]: (root, replicas) => {
    const body: PreAcceptBody = root.body(new PreAcceptBody())
    absent(body, 14, 'quorum')
    return {
      type: MessageType.preAccept,
      ...idOf(body.about(instance), replicas),
      mode: oneOf(Mode, body.mode(), 'mode'),
      initDeps: vectorOf(body.initDepsLength(), (i, lanes) => body.initDeps(i, lanes), 'initDeps', replicas),
      batch: batchOf(body, 8) as PreAccept['batch'],
    }
  },
  [MessageType.preAcceptOk]: (root, replicas) => {
    const body: PreAcceptOkBody = root.body(new PreAcceptOkBody())
    return {
      type: MessageType.preAcceptOk,
      ...idOf(body.about(instance), replicas),
      ok: flagOf(body, 8, 'ok'),
      deps: vectorOf(body.depsLength(), (i, lanes) => body.deps(i, lanes), 'deps', replicas),
    }
  },
  [MessageType.accept]: (root, replicas) => ({
    type: MessageType.accept,
    ...decisionOf(root.body(new AcceptBody()), replicas),
  }),
  [MessageType.acceptOk]: (root, replicas) => ({
    type: MessageType.acceptOk,
    ...balloted(root.body(new AcceptOkBody()), replicas),
  }),
  [MessageType.commit]: (root, replicas) => ({
    type: MessageType.commit,
    ...decisionOf(root.body(new CommitBody()), replicas),
  }),
  [MessageType.recover]: (root, replicas) => ({
    type: MessageType.recover,
    ...balloted(root.body(new RecoverBody()), replicas),
  }),
  [MessageType.recoverOk]: (root, replicas) => recoverOkOf(root.body(new RecoverOkBody()), replicas),
  [MessageType.validate]: (root, replicas) => {
    const body: ValidateBody = root.body(new ValidateBody())
    absent(body, 14, 'init_deps')
    return {
      type: MessageType.validate,
      ...balloted(body, replicas),
      deps: vectorOf(body.depsLength(), (i, lanes) => body.deps(i, lanes), 'deps', replicas),
      batch: batchOf(body, 10) as PreAccept['batch'],
    }
  },
  [MessageType.validateOk]: (root, replicas) => validateOkOf(root.body(new ValidateOkBody()), replicas),
  [MessageType.waiting]: (root, replicas) => {
    const body: WaitingBody = root.body(new WaitingBody())
    absent(body, 8, 'deps')
    const count = body.count()
    if (count > replicas) throw malformed(`${count} of ${replicas} replicas`)
    return { type: MessageType.waiting, ...idOf(body.about(instance), replicas), count }
  },
  [MessageType.nack]: (root, replicas) => ({
    type: MessageType.nack,
    ...balloted(root.body(new NackBody()), replicas),
  }),
  [MessageType.tryRecover]: (root, replicas) => {
    const body: TryRecoverBody = root.body(new TryRecoverBody())
    return { type: MessageType.tryRecover, ...idOf(body.about(instance), replicas) }
  },
  [MessageType.ask]: (root, replicas) => {
    const body: AskBody = root.body(new AskBody())
    const id = idOf(body.about(instance), replicas)
    const count = body.count()
    if (count === 0 || count > MAX_ASK_SLOTS) throw malformed(`asks for ${count} slots`)
    if (id.slot + count > Number.MAX_SAFE_INTEGER) throw malformed('asks beyond 2^53')
    return { type: MessageType.ask, ...id, count }
  },
  [MessageType.truncated]: (root, replicas) => {
    const body: TruncatedBody = root.body(new TruncatedBody())
    return {
      type: MessageType.truncated,
      ...idOf(body.about(instance), replicas),
      executed: vectorOf(body.executedLength(), (i, lanes) => body.executed(i, lanes), 'executed', replicas),
    }
  },
  [MessageType.heartbeat]: (root, replicas) => {
    const body: HeartbeatBody = root.body(new HeartbeatBody())
    return {
      type: MessageType.heartbeat,
      epoch: body.epoch(),
      sentMs: wholeOf(body.sentUs(whole), 'sent') / 1000,
      echoMs: wholeOf(body.echoUs(whole), 'echo') / 1000,
      committed: vectorOf(body.committedLength(), (i, lanes) => body.committed(i, lanes), 'committed', replicas),
      executed: vectorOf(body.executedLength(), (i, lanes) => body.executed(i, lanes), 'executed', replicas),
      floor: vectorOf(body.floorLength(), (i, lanes) => body.floor(i, lanes), 'floor', replicas),
      journal: wholeOf(body.journal(whole), 'journal'),
      state: wholeOf(body.state(whole), 'state'),
    }
  },
  [MessageType.probe]: (root, replicas) => {
    const body: ProbeBody = root.body(new ProbeBody())
    const keys = Uint32Array.from({ length: body.keysLength() }, (_, i) => body.keys(i) as number)
    if (keys.length % 2 !== 0) throw malformed('half a key')
    return {
      type: MessageType.probe,
      epoch: body.epoch(),
      start: wholeOf(body.start(whole), 'start'),
      number: wholeOf(body.number(whole), 'number'),
      keys,
      executed: vectorOf(body.executedLength(), (i, lanes) => body.executed(i, lanes), 'executed', replicas),
    }
  },
  [MessageType.probeOk]: (root, replicas) => probeOkOf(root.body(new ProbeOkBody()), replicas),
  [MessageType.checkpointAsk]: (root, replicas) => checkpointAskOf(root.body(new CheckpointAskBody()), replicas),
  [MessageType.checkpointChunk]: (root) => {
    const body: CheckpointChunkBody = root.body(new CheckpointChunkBody())
    return {
      type: MessageType.checkpointChunk,
      epoch: body.epoch(),
      number: wholeOf(body.number(whole), 'number'),
      chunk: body.chunk(),
      bytes: (body.bytesArray() as Uint8Array).slice(),
    }
  },
  [MessageType.notYet]: (root) => {
    const body: NotYetBody = root.body(new NotYetBody())
    return { type: MessageType.notYet, epoch: body.epoch() }
  },
}

interface WithBallot {
  about(obj?: Instance): Instance | null
  ballot(obj?: Whole): Whole | null
}

function balloted(body: WithBallot, replicas: number) {
  return { ...idOf(body.about(instance), replicas), ballot: wholeOf(body.ballot(whole), 'ballot') }
}

function decisionOf(body: AcceptBody | CommitBody, replicas: number): Omit<Accept | Commit, 'type'> {
  const command = oneOf(Command, body.command(), 'command')
  const batch = batchOf(body, 12)
  if (command === Command.unknown) throw malformed('a decision on an unknown command')
  if (command === Command.noop && batch !== null) throw malformed('a no-op with a batch')
  return {
    ...balloted(body, replicas),
    command,
    deps: vectorOf(body.depsLength(), (i, lanes) => body.deps(i, lanes), 'deps', replicas),
    batch,
  }
}

function recoverOkOf(body: RecoverOkBody, replicas: number): RecoverOk {
  const message: RecoverOk = {
    type: MessageType.recoverOk,
    ...balloted(body, replicas),
    voteBallot: wholeOf(body.voteBallot(whole), 'voteBallot'),
    phase: oneOf(Phase, body.phase(), 'phase'),
    command: oneOf(Command, body.command(), 'command'),
    mode: oneOf(Mode, body.mode(), 'mode'),
    ok: flagOf(body, 16, 'ok'),
    initDeps: isThere(body, 18)
      ? vectorOf(body.initDepsLength(), (i, lanes) => body.initDeps(i, lanes), 'initDeps', replicas)
      : null,
    deps: isThere(body, 20) ? vectorOf(body.depsLength(), (i, lanes) => body.deps(i, lanes), 'deps', replicas) : null,
    batch: batchOf(body, 22),
  }
  const { phase, command, initDeps, deps, batch } = message
  if (phase !== Phase.none && (command === Command.unknown || deps === null))
    throw malformed('a phase without a command')
  if (phase === Phase.preAccepted && (command !== Command.batch || initDeps === null || batch === null)) {
    throw malformed('pre-accepted without its batch')
  }
  return message
}

function validateOkOf(body: ValidateOkBody, replicas: number): ValidateOk {
  const element = new ConflictElement()
  const conflicts: Conflict[] = []
  for (let i = 0; i < body.conflictsLength(); i++) {
    const conflict = body.conflicts(i, element) as ConflictElement
    const slot = wholeOf(conflict.slot(whole), 'slot')
    if (slot === 0) throw malformed('slots count from 1')
    conflicts.push({ row: rowOf(conflict.row(), replicas), slot, phase: oneOf(Phase, conflict.phase(), 'phase') })
  }
  return { type: MessageType.validateOk, ...balloted(body, replicas), conflicts }
}

function probeOkOf(body: ProbeOkBody, replicas: number): ProbeOk {
  const element = new WriterElement()
  const writers: Writer[] = []
  for (let i = 0; i < body.writersLength(); i++) {
    const writer = body.writers(i, element) as WriterElement
    const slot = wholeOf(writer.slot(whole), 'slot')
    if (slot === 0) throw malformed('slots count from 1')
    writers.push({ key: writer.key(), row: rowOf(writer.row(), replicas), slot })
  }
  return {
    type: MessageType.probeOk,
    epoch: body.epoch(),
    start: wholeOf(body.start(whole), 'start'),
    number: wholeOf(body.number(whole), 'number'),
    floor: vectorOf(body.floorLength(), (i, lanes) => body.floor(i, lanes), 'floor', replicas),
    writers,
  }
}

function checkpointAskOf(body: CheckpointAskBody, replicas: number): CheckpointAsk {
  const element = new RunElement()
  const runs = Array.from({ length: body.beyondLength() }, (_, i) => {
    const run = body.beyond(i, element) as RunElement
    const first = wholeOf(run.first(whole), 'slot')
    const count = wholeOf(run.count(whole), 'count')
    if (first === 0 || count === 0 || first + count > Number.MAX_SAFE_INTEGER) throw malformed('a run of no slots')
    return { row: rowOf(run.row(), replicas), first, count }
  })
  const count = body.count()
  if (count === 0 || count > MAX_CHECKPOINT_CHUNKS) throw malformed(`asks for ${count} chunks`)
  const { epoch, row, slot } = idOf(body.lacking(instance), replicas)
  return {
    type: MessageType.checkpointAsk,
    epoch,
    lacking: { row, slot },
    executed: {
      prefix: vectorOf(body.executedLength(), (i, lanes) => body.executed(i, lanes), 'executed', replicas),
      runs,
    },
    number: wholeOf(body.number(whole), 'number'),
    chunk: body.chunk(),
    count,
  }
}
