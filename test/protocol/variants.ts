import type { Vector } from '../../src/engine/engine.ts'
import { Command, type Message, MessageType, Mode, Phase } from '../../src/protocol/messages.ts'
import { BATCH, DEPS, NONE, RECEIVER, RECOVERER, type State } from './states.ts'

/** One form of a message: the `when` of a cell. */
export interface Variant {
  readonly when: string
  readonly from: (state: State) => number
  readonly message: (state: State) => Message
}

type About = { epoch: number; row: number; slot: number }

function variant(when: string, from: number | ((state: State) => number), message: (about: About) => Message): Variant {
  return {
    when,
    from: typeof from === 'number' ? () => from : from,
    message: ({ row, slot }) => message({ epoch: 0, row, slot }),
  }
}

/** The initial coordinator; for the receiver's own instances another replica. */
const coordinator = ({ row }: State): number => (row === RECEIVER ? 0 : row)

const before = ({ row, slot }: About): Vector => NONE.map((_, r) => (r === row ? slot - 1 : 0))

/** With 4.1 besides. */
const more = ({ row, slot }: About): Vector => DEPS.map((last, r) => (r === row ? slot - 1 : last))

const preAccept = (about: About): Message => ({
  type: MessageType.preAccept,
  ...about,
  mode: Mode.all,
  initDeps: before(about),
  batch: BATCH,
})

const decided =
  (type: 3 | 5, ballot: number, command: Command, withBatch = true) =>
  (about: About): Message => ({
    type,
    ...about,
    ballot,
    command,
    deps: command === Command.noop ? NONE : more(about),
    batch: command === Command.batch && withBatch ? BATCH : null,
  })

const recoverOk =
  (ballot: number, phase: Phase, command: Command = Command.batch) =>
  (about: About): Message => ({
    type: MessageType.recoverOk,
    ...about,
    ballot,
    voteBallot: 0,
    phase,
    command: phase === Phase.none ? Command.unknown : command,
    mode: Mode.all,
    ok: true,
    initDeps: phase === Phase.preAccepted ? before(about) : null,
    deps: phase === Phase.none ? null : command === Command.noop ? NONE : before(about),
    batch: phase === Phase.none || command === Command.noop ? null : BATCH,
  })

const validate =
  (ballot: number) =>
  (about: About): Message => ({ type: MessageType.validate, ...about, ballot, deps: before(about), batch: BATCH })

const validateOk =
  (ballot: number, ...conflicts: { row: number; slot: number; phase: Phase }[]) =>
  (about: About): Message => ({ type: MessageType.validateOk, ...about, ballot, conflicts })

const { accept, commit } = MessageType
const { batch, noop } = Command
const preAcceptOk =
  (deps: Vector) =>
  (about: About): Message => ({ type: MessageType.preAcceptOk, ...about, ok: true, deps })
const ballots =
  <T extends number>(type: T) =>
  (ballot: number) =>
  (about: About): Message =>
    ({ type, ...about, ballot }) as Message
const [acceptOk, recover, nack] = [
  ballots(MessageType.acceptOk),
  ballots(MessageType.recover),
  ballots(MessageType.nack),
]

/** By the file that holds their cells. Replica 2 owns ballots 3, 8 and 13; the receiver owns 2, 7 and 12. */
export const VARIANTS: Readonly<Record<string, readonly Variant[]>> = {
  'pre-accept': [
    variant('PreAccept from its coordinator', coordinator, preAccept),
    variant('PreAccept from somebody else', 3, preAccept),
    variant('PreAccept with a wrong entry of its own row', coordinator, (about) => ({
      ...(preAccept(about) as Extract<Message, { type: 1 }>),
      initDeps: NONE.map((_, r) => (r === about.row ? about.slot : 0)),
    })),
    variant('PreAcceptOk with the initial dependencies', 2, (about) => preAcceptOk(before(about))(about)),
    variant('PreAcceptOk with more dependencies', 2, (about) => preAcceptOk(more(about))(about)),
  ],
  accept: [
    variant('Accept(0) with the batch', coordinator, decided(accept, 0, batch)),
    variant('Accept(0) without the batch', coordinator, decided(accept, 0, batch, false)),
    variant('Accept(3) with the batch', RECOVERER, decided(accept, 3, batch)),
    variant('Accept(8) with the batch', RECOVERER, decided(accept, 8, batch)),
    variant('Accept(8) without the batch', RECOVERER, decided(accept, 8, batch, false)),
    variant('Accept(8) of a no-op', RECOVERER, decided(accept, 8, noop)),
    variant('Accept(13) with the batch', RECOVERER, decided(accept, 13, batch)),
    variant('Accept(13) of a no-op', RECOVERER, decided(accept, 13, noop)),
    variant('Accept(8) from somebody whose ballot it is not', 3, decided(accept, 8, batch)),
    variant('AcceptOk(0)', RECOVERER, acceptOk(0)),
    variant('AcceptOk(2)', RECOVERER, acceptOk(2)),
    variant('AcceptOk(12)', RECOVERER, acceptOk(12)),
  ],
  commit: [
    variant('Commit with the batch', RECOVERER, decided(commit, 8, batch)),
    variant('Commit without the batch', RECOVERER, decided(commit, 0, batch, false)),
    variant('Commit of a no-op', RECOVERER, decided(commit, 8, noop)),
  ],
  recover: [
    variant('Recover(3)', RECOVERER, recover(3)),
    variant('Recover(8)', RECOVERER, recover(8)),
    variant('Recover(13)', RECOVERER, recover(13)),
    variant('Recover(13) from somebody whose ballot it is not', 3, recover(13)),
    variant('Recover(0)', coordinator, recover(0)),
    variant('RecoverOk(2), nothing known', RECOVERER, recoverOk(2, Phase.none)),
    variant('RecoverOk(2), pre-accepted', RECOVERER, recoverOk(2, Phase.preAccepted)),
    variant('RecoverOk(2), accepted', RECOVERER, recoverOk(2, Phase.accepted)),
    variant('RecoverOk(2), accepted, from outside Q', 4, recoverOk(2, Phase.accepted)),
    variant('RecoverOk(2), accepted as a no-op, from outside Q', 4, recoverOk(2, Phase.accepted, noop)),
    variant('RecoverOk(2), nothing known, from the coordinator', coordinator, recoverOk(2, Phase.none)),
    variant('RecoverOk(2), committed, which no replica says', RECOVERER, recoverOk(2, Phase.committed)),
    variant('RecoverOk(12), accepted', RECOVERER, recoverOk(12, Phase.accepted)),
  ],
  validate: [
    variant('Validate(3)', RECOVERER, validate(3)),
    variant('Validate(8)', RECOVERER, validate(8)),
    variant('Validate(13)', RECOVERER, validate(13)),
    variant('Validate(8) from somebody whose ballot it is not', 3, validate(8)),
    variant('ValidateOk(2) without a conflict', RECOVERER, validateOk(2)),
    variant('ValidateOk(2) with a conflict', RECOVERER, validateOk(2, { row: 2, slot: 1, phase: Phase.preAccepted })),
    variant('ValidateOk(2) from outside Q', 4, validateOk(2)),
    variant('ValidateOk(12)', RECOVERER, validateOk(12)),
    variant('Waiting for 1', RECOVERER, (about) => ({ type: MessageType.waiting, ...about, count: 1 })),
  ],
  liveness: [
    variant('Nack(3)', RECOVERER, nack(3)),
    variant('Nack(13)', RECOVERER, nack(13)),
    variant('TryRecover', 3, (about) => ({ type: MessageType.tryRecover, ...about })),
    variant('Ask', 3, (about) => ({ type: MessageType.ask, ...about, count: 1 })),
    variant('Truncated', 3, (about) => ({ type: MessageType.truncated, ...about, executed: NONE })),
    variant('Heartbeat', 3, () => ({
      type: MessageType.heartbeat,
      epoch: 0,
      sentMs: 1,
      echoMs: 0,
      committed: NONE,
      executed: NONE,
      floor: NONE,
      journal: 0,
      state: 0,
    })),
    variant('Recover of another epoch', RECOVERER, (about) => ({ ...recover(13)(about), epoch: 1 })),
    variant('Heartbeat of another epoch', 3, () => ({
      type: MessageType.heartbeat,
      epoch: 1,
      sentMs: 1,
      echoMs: 0,
      committed: NONE,
      executed: NONE,
      floor: NONE,
      journal: 0,
      state: 0,
    })),
  ],
}
