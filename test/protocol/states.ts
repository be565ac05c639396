import { Core } from '../../src/protocol/core.ts'
import { type Batch, Command, type Message, MessageType, Mode, Phase } from '../../src/protocol/messages.ts'
import type { InstanceRecord } from '../../src/protocol/records.ts'
import { DEFAULT_TIMING } from '../../src/protocol/timing.ts'
import { batch } from '../support/batches.ts'
import type { EngineMaker } from '../support/engine-makers.ts'
import { members } from '../support/members.ts'

/**
 * The states in which a replica can meet a message about an instance. Each is reached by messages that a real replica
 * could have received. Five replicas. The receiver is replica 1, so its ballots are 2, 7, 12; those of replica 2, which
 * recovers, are 3, 8, 13. The instance is 0.1, or 1.1 if it is the receiver's own.
 */
export const RECEIVER = 1
export const REPLICAS = 5
export const RECOVERER = 2
export const BATCH = batch('c', 'a')
export const NONE = [0, 0, 0, 0, 0] as const
/** The dependencies with which the receiver pre-accepts 0.1: it knows 4.1. */
export const DEPS = [0, 0, 0, 0, 1] as const

/** One replica, with a disk that is synced when the test says so. */
export class Subject {
  readonly core: Core
  #durable = 0
  #journal: (readonly InstanceRecord[])[] = []

  constructor({ make }: EngineMaker, journal: readonly (readonly InstanceRecord[])[] = []) {
    this.#journal = [...journal]
    this.core = new Core({
      id: RECEIVER,
      members: members(REPLICAS),
      engine: make(REPLICAS),
      timing: { ...DEFAULT_TIMING, lazyMs: 0 },
      random: () => 0,
      start: 1,
      readBatch: (number, index) => this.#readBatch(number, index),
    })
    this.#journal.forEach((records, i) => {
      records.forEach((record, index) => {
        this.core.replay(record, i + 1, index)
      })
    })
    this.core.found()
    this.core.start(this.#journal.length, 1000)
    for (const peer of [0, 2, 3, 4]) this.core.linkUp(peer)
    this.take()
    this.sync()
  }

  get journal(): readonly (readonly InstanceRecord[])[] {
    return this.#journal
  }

  #readBatch(number: number, index: number): Batch {
    const record = this.#journal[number - 1]?.[index]
    if (record === undefined || !('batch' in record) || record.batch === null) throw new Error('no batch there')
    return record.batch
  }

  take(): ReturnType<Core['take']> {
    const effects = this.core.take()
    if (effects.records.length > 0) this.#journal.push(effects.records as readonly InstanceRecord[])
    return effects
  }

  sync(): ReturnType<Core['take']> {
    this.#durable = this.#journal.length
    this.core.durable(this.#durable)
    return this.take()
  }

  /** Handles the message and makes everything durable. */
  hear(from: number, message: Message): void {
    this.core.receive(from, message)
    this.take()
    this.sync()
  }
}

export interface State {
  readonly name: string
  readonly row: number
  readonly slot: number
  readonly enter: (subject: Subject) => void
  /** Whether the replica has been restarted with its journal since. */
  readonly restarted?: boolean
}

const about = { epoch: 0, row: 0, slot: 1 }
const own = { epoch: 0, row: RECEIVER, slot: 1 }
const preAccept: Message = { type: MessageType.preAccept, ...about, mode: Mode.all, initDeps: NONE, batch: BATCH }
const recover = (ballot: number): Message => ({ type: MessageType.recover, ...about, ballot })
const accept = (ballot: number, command: Command): Message => ({
  type: MessageType.accept,
  ...about,
  ballot,
  command,
  deps: command === Command.noop ? NONE : DEPS,
  batch: command === Command.noop ? null : BATCH,
})
const commit = (command: Command): Message => ({ ...accept(0, command), type: MessageType.commit }) as Message
const validate: Message = { type: MessageType.validate, ...about, ballot: 8, deps: NONE, batch: BATCH }
const tryRecover = (id: typeof about): Message => ({ type: MessageType.tryRecover, ...id })
const recoverOk = (ballot: number, phase: Phase): Message => ({
  type: MessageType.recoverOk,
  ...about,
  ballot,
  voteBallot: 0,
  phase,
  command: phase === Phase.none ? Command.unknown : Command.batch,
  mode: Mode.all,
  ok: true,
  initDeps: phase === Phase.none ? null : NONE,
  deps: phase === Phase.none ? null : NONE,
  batch: phase === Phase.none ? null : BATCH,
})

/** 4.1 interferes with 0.1 and does not depend on it. */
function knowOther(subject: Subject): void {
  subject.hear(4, {
    type: MessageType.preAccept,
    epoch: 0,
    row: 4,
    slot: 1,
    mode: Mode.all,
    initDeps: NONE,
    batch: batch('d', 'a'),
  })
}

function preAcceptedWithMore(subject: Subject): void {
  knowOther(subject)
  subject.hear(0, preAccept)
}

/** A recovery by the receiver, in ballot 2, on answers of 1, 2 and 3: two of them agree on no dependencies. */
function validating(subject: Subject): void {
  subject.hear(3, tryRecover(about))
  for (const peer of [0, 2, 3, 4]) subject.core.linkDown(peer)
  subject.hear(2, recoverOk(2, Phase.preAccepted))
  subject.hear(3, recoverOk(2, Phase.preAccepted))
}

function waiting(subject: Subject): void {
  knowOther(subject)
  validating(subject)
  const validateOk = { type: MessageType.validateOk, ...about, ballot: 2, conflicts: [] }
  subject.hear(2, validateOk)
  subject.hear(3, validateOk)
}

function executed(subject: Subject): void {
  subject.hear(0, preAccept)
  subject.hear(0, commit(Command.batch))
  subject.core.markExecuted(0, 1)
}

function on(name: string, ...heard: readonly [number, Message][]): State {
  return {
    name,
    ...about,
    enter: (subject) => {
      for (const [from, message] of heard) subject.hear(from, message)
    },
  }
}

export const STATES: readonly State[] = [
  on('unknown'),
  on('promised 8', [2, recover(8)]),
  { name: 'preAccepted', ...about, enter: preAcceptedWithMore },
  on('preAccepted promised 8', [0, preAccept], [2, recover(8)]),
  on('accepted 0', [0, preAccept], [0, accept(0, Command.batch)]),
  on('accepted 0 promised 8', [0, accept(0, Command.batch)], [2, recover(8)]),
  on('accepted 8', [2, accept(8, Command.batch)]),
  on('accepted noop 8', [2, accept(8, Command.noop)]),
  on('preAccepted accepted noop 3 promised 8', [0, preAccept], [2, accept(3, Command.noop)], [2, recover(8)]),
  on('validated 8', [2, recover(8)], [2, validate]),
  on('preAccepted validated 8', [0, preAccept], [2, recover(8)], [2, validate]),
  on('committed', [0, preAccept], [0, commit(Command.batch)]),
  on('committed noop', [0, commit(Command.noop)]),
  { name: 'executed', ...about, enter: executed },
  { name: 'preAccepted restarted', ...about, enter: (s) => s.hear(0, preAccept), restarted: true },
  { name: 'recovering 2', ...about, enter: (s) => s.hear(3, tryRecover(about)) },
  { name: 'validating 2', ...about, enter: validating },
  { name: 'waiting 2', ...about, enter: waiting },
  { name: 'accepting 2', ...about, enter: accepting },
  { name: 'own preAccepting', ...own, enter: propose },
  { name: 'own accepting 0', ...own, enter: ownAccepting },
  { name: 'own undecided restarted', ...own, enter: propose, restarted: true },
  { name: 'own unused recovering 2', ...own, enter: (s) => s.hear(3, tryRecover(own)) },
  { name: 'own recovering 7', ...own, enter: ownRecoveringAbove },
  { name: 'own unused', ...own, slot: 3, enter: propose },
]

function propose(subject: Subject): void {
  subject.core.propose(BATCH)
  subject.take()
  subject.sync()
}

/** Three others answer with more dependencies: no fast path any more. */
function ownAccepting(subject: Subject): void {
  propose(subject)
  for (const peer of [0, 2, 3]) {
    subject.hear(peer, { type: MessageType.preAcceptOk, ...own, ok: true, deps: DEPS })
  }
}

/** Two answers to the receiver's recovery say that the batch was accepted in ballot 0. */
function accepting(subject: Subject): void {
  subject.hear(3, tryRecover(about))
  subject.hear(2, recoverOk(2, Phase.accepted))
  subject.hear(3, recoverOk(2, Phase.accepted))
}

/** A promise to replica 2 led nowhere: the receiver recovers its own instance in a higher ballot. */
function ownRecoveringAbove(subject: Subject): void {
  subject.hear(2, { type: MessageType.recover, ...own, ballot: 3 })
  subject.core.tick(1000 + 10 * DEFAULT_TIMING.retryMs)
  subject.take()
  subject.sync()
}
