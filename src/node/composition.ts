import { Executor } from '../execution/executor.ts'
import { Core } from '../protocol/core.ts'
import { rowOf } from '../protocol/membership.ts'
import { DEFAULT_TIMING } from '../protocol/timing.ts'
import { batchReader } from './batch-reader.ts'
import { CatchUp } from './catch-up.ts'
import { CHECKPOINT_LIMITS, Checkpointer } from './checkpointer.ts'
import { Closing } from './closing.ts'
import { Dropped } from './dropped.ts'
import { Freshness } from './freshness.ts'
import { Handshakes } from './handshakes.ts'
import { Incarnations } from './incarnations.ts'
import { JournalWriter } from './journal-writer.ts'
import { BEHIND_BYTES, type MemberOptions, SESSION_LIFETIME_MS, WINDOW } from './member-options.ts'
import { PeerFrames } from './peer-frames.ts'
import { Proposals } from './proposals.ts'
import { Readiness } from './readiness.ts'
import { QuorumReads } from './reads.ts'
import { SpaceWatch } from './space.ts'
import { StaleReads } from './stale-reads.ts'
import { Sweeper } from './sweeper.ts'

/** What the parts need of their member. */
export interface Hooks {
  /** Something is to be done: schedules a turn. */
  arm(): void
  /** The replica cannot go on. */
  fail(error: Error): void
  /** Takes part in nothing from now on, as if the process were stopped; or takes part again. */
  suspend(suspended: boolean): void
  readonly suspended: boolean
  /** Null if the member answers clients, or if its state may be read; otherwise why not. */
  readonly notReady: string | null
  readonly notReadable: string | null
  /** A change of the members executes: returns whether it closes the epoch. */
  reconfigure(membership: Uint8Array): boolean
  /** Takes part in nothing from now on, when everything is given to the journal; or takes part again. */
  freeze(frozen: boolean): void
}

/** The core, the execution and the parts of a member, wired to each other. */
export class Composition {
  readonly core: Core
  readonly executor: Executor
  readonly dropped: Dropped
  readonly journal: JournalWriter
  readonly frames: PeerFrames
  readonly incarnations: Incarnations
  readonly handshakes: Handshakes
  readonly proposals: Proposals
  readonly reads: QuorumReads
  readonly freshness: Freshness
  readonly readiness: Readiness
  readonly staleReads: StaleReads
  readonly sweeper: Sweeper
  /** Null if no checkpoints are kept. */
  readonly checkpointer: Checkpointer | null
  readonly catchUp: CatchUp | null
  /** Null if no checkpoints are kept: then no epoch ends. */
  readonly closing: Closing | null
  /** Null if no space is watched. */
  readonly space: SpaceWatch | null

  constructor(options: MemberOptions, hooks: Hooks) {
    const { identity, epochStart, engine, machine, sessions, journal, transport, clock, random, logger } = options
    const { id, members } = identity
    const row = rowOf(members, id)
    this.core = new Core({
      ...{ id: row, members, engine, random, timing: options.timing ?? DEFAULT_TIMING },
      start: startOf(options.startNonce),
      readBatch: journal === null ? null : batchReader(journal, members),
      stateHash: () => this.executor.quickHash(),
    })
    this.executor = new Executor({
      ...{ engine, machine, executed: this.core.executed, ownRow: row },
      ...(options.sessionLimits === undefined ? {} : { sessionLimits: options.sessionLimits }),
      ...(sessions === null ? {} : { sessions }),
      batchOf: (row, slot) => this.core.batchToExecute(row, slot),
      onExecuted: (row, slot, results) => {
        this.core.markExecuted(row, slot)
        if (results !== null) this.proposals.executed(slot, results, clock.now())
      },
      reconfigure: (membership) => hooks.reconfigure(membership),
    })
    this.dropped = new Dropped(logger)
    this.frames = new PeerFrames({
      ...{ transport, members, behindBytes: options.behindBytes ?? BEHIND_BYTES },
      dropped: (reason, what) => this.dropped.add(reason, what),
    })
    this.journal = new JournalWriter({ core: this.core, journal, arm: () => hooks.arm() })
    this.incarnations = new Incarnations({
      ...{ id, members, incarnation: identity.incarnation, origin: identity.origin, nonce: options.startNonce },
      clusterId: epochStart?.clusterId ?? null,
      write: (records) => this.journal.write(records),
      heard: (peer) => this.core.heardJournal(rowOf(members, peer)),
      superseded: (peer) => transport.drop(peer),
      founded: () => this.core.found(),
    })
    this.handshakes = new Handshakes({
      ...{ members, incarnations: this.incarnations, logger },
      failed: (error) => hooks.fail(error),
    })
    this.proposals = new Proposals({
      ...{ core: this.core, machine, window: options.window ?? WINDOW, requestTimeoutMs: options.requestTimeoutMs },
      isKnown: (session) => this.executor.sessions.has(session),
      place: () => {
        const clusterId = this.incarnations.standing.clusterId ?? ''
        return { row, slot: this.core.slot, epoch: members.epoch, clusterId }
      },
    })
    this.reads = new QuorumReads({ core: this.core, machine, requestTimeoutMs: options.requestTimeoutMs })
    this.freshness = new Freshness(this.core)
    this.readiness = new Readiness({
      core: this.core,
      submitBarrier: (respond) => {
        this.proposals.submitBarrier(clock.now(), respond)
        hooks.arm()
      },
      suspended: () => hooks.suspended || this.catchUp?.reason != null,
    })
    this.staleReads = new StaleReads({
      machine,
      notReady: () => hooks.notReady,
      notReadable: () => hooks.notReadable,
    })
    this.sweeper = new Sweeper({
      sessions: this.executor.sessions,
      ...{ row, epoch: members.epoch, lifetimeMs: options.sessionLifetimeMs ?? SESSION_LIFETIME_MS },
      submit: (command, respond) => {
        this.proposals.submitAlone(command, clock.now(), respond)
        hooks.arm()
      },
      ready: () => hooks.notReady === null,
      full: (isFull, isCrowded) => {
        this.proposals.sessionsAreFull = isFull
        this.proposals.sessionsAreCrowded = isCrowded
      },
    })
    const { checkpoints, space } = options
    this.checkpointer =
      checkpoints === undefined || journal === null
        ? null
        : new Checkpointer({
            ...{ core: this.core, executor: this.executor, incarnations: this.incarnations, identity, epochStart },
            ...{ journal, journalWriter: this.journal, store: checkpoints, clock, logger, arm: () => hooks.arm() },
            limits: options.checkpointLimits ?? CHECKPOINT_LIMITS,
            hasState: sessions !== null,
            hasSpace: (bytes) => this.space?.has(bytes) ?? true,
          })
    this.catchUp =
      checkpoints === undefined || this.checkpointer === null
        ? null
        : new CatchUp({
            ...{ core: this.core, executor: this.executor, identity, store: checkpoints, clock, logger },
            ...{ checkpointer: this.checkpointer, arm: () => hooks.arm(), failed: (error) => hooks.fail(error) },
            send: (to, message) => this.frames.addOne(to, message),
            unsentBytes: (to) => this.frames.unsentBytes(to),
            hasSpace: (bytes) => this.space?.has(bytes) ?? true,
            behind: () => this.readiness.restart(),
            executedElsewhere: (slot) => this.proposals.executedElsewhere(slot),
          })
    this.closing =
      checkpoints === undefined || journal === null || this.checkpointer === null
        ? null
        : new Closing({
            ...{ core: this.core, executor: this.executor, incarnations: this.incarnations, identity, journal, clock },
            ...{ checkpointer: this.checkpointer, store: checkpoints, logger },
            suspend: (suspended) => hooks.freeze(suspended),
          })
    this.space =
      space === undefined
        ? null
        : new SpaceWatch({
            ...{ space, clock, logger, failed: (error) => hooks.fail(error) },
            changed: (nearlyFull, full) => {
              this.proposals.onlyReads = nearlyFull
              if (full) this.checkpointer?.stop()
              hooks.suspend(full)
            },
          })
  }
}

/** A number below 2^53 that names the start. */
function startOf(nonce: Uint8Array): number {
  const view = new DataView(nonce.buffer, nonce.byteOffset)
  return (view.getUint32(0, true) >>> 11) * 2 ** 32 + view.getUint32(4, true)
}
