import type { Vector } from '../../src/engine/engine.ts'
import type { Footprint } from '../../src/engine/footprint.ts'
import { SILENT } from '../../src/node/logger.ts'
import type { Member } from '../../src/node/member.ts'
import type { Consistency, Respond } from '../../src/node/requests.ts'
import { Seat } from '../../src/node/seat.ts'
import {
  type AnyMessage,
  type Heartbeat,
  isCheckpointMessage,
  type Message,
  MessageType,
} from '../../src/protocol/messages.ts'
import type { CheckpointHeader } from '../../src/storage/checkpoints.ts'
import type { Journal } from '../../src/storage/journal.ts'
import { MemoryTransport } from '../../src/transport/memory.ts'
import type { Sent } from '../support/cluster.ts'
import { memberAddress, members } from '../support/members.ts'
import type { Random } from '../support/random.ts'
import { type Damage, DamagedJournal } from './damaged-journal.ts'
import { type Execution, keyOf } from './decisions.ts'
import { type Directory, isSame } from './directory.ts'
import { stream } from './options.ts'
import { SimulatedProcess } from './process.ts'
import { SimulatedSpace } from './simulated-space.ts'
import { Violation } from './violation.ts'
import { WatchedCheckpoints } from './watched-checkpoints.ts'
import { WatchedEngine } from './watched-engine.ts'
import { WatchedTransport } from './watched-transport.ts'
import type { WatchedLife } from './watcher.ts'
import type { World } from './world.ts'

/**
 * `copy`: runs on an earlier copy of its replica's directory. `stranger`: a member of another cluster. Nobody may
 * listen to either.
 */
export type LifeKind = 'own' | 'copy' | 'stranger'

/** How a request is answered; with the token of a min read. */
export interface How {
  readonly consistency: Consistency
  readonly min: string
}

/** The parameters of the start of a process. */
export interface Boot {
  readonly id: number
  /** Which life of its replica this is, from 1. */
  readonly number: number
  readonly directory: Directory
  readonly kind: LifeKind
  /** Where it listens. */
  readonly address: string
  /** Its journal is damaged, and must not be believed. */
  readonly damage: Damage | null
}

/** What the owner of a life learns about it. */
export interface LifeHandlers {
  /** It sent something, reported for the first receiver. */
  said(message: Message): void
  /** It stopped by itself. */
  stopped(error: Error): void
}

/** One life of a replica: the shipped member on a simulated process, disk and network, watched. */
export class Life {
  readonly boot: Boot
  readonly process: SimulatedProcess
  /** Of epoch 0: these simulations change no members. */
  readonly member: Member
  readonly #seat: Seat
  readonly #world: World
  readonly #handlers: LifeHandlers
  readonly #transport: MemoryTransport
  readonly #watched: WatchedLife
  /** Null where nobody looks. */
  readonly #space: SimulatedSpace | null
  readonly #journal: Journal
  readonly #engine: WatchedEngine
  /** The footprints of what this life proposed, by own slot. */
  readonly #proposed = new Map<number, Footprint>()
  #said: Sent[] = []
  /** Called for each request that is lost when the process ends. */
  readonly #held = new Set<() => void>()
  /** Promises of this life that are open. */
  #unsettled = 0
  /** A checkpoint is being written. */
  #checkpointing = false
  /** Of the checkpoint of a peer that is being installed. */
  #installing: CheckpointHeader | null = null
  /**
   * Every member has recorded a later start of its directory: nobody may listen to it. What it decides alone when it
   * wakes up is not checked: the decision was made before it was stopped, and the copy does not know of it. That is a
   * relaxation. It hides nothing that anybody sees: what it says to peers and what it answers to clients is checked.
   */
  overtaken = false
  /** Nothing that it sends leaves it any more. */
  muted = false

  constructor(world: World, boot: Boot, handlers: LifeHandlers) {
    const { options, time } = world
    const { id, number, directory, kind, damage, address } = boot
    const { disk, incarnation } = directory
    directory.life = this
    this.#world = world
    this.#handlers = handlers
    this.boot = boot
    this.process = new SimulatedProcess(time, { rate: options.clockRates[id] as number, turnMs: options.turnMs })
    const identity = {
      cluster: 'simulated',
      members: members(options.replicas, options.fastCrashes),
      id,
      incarnation,
      address: memberAddress(id),
      clientUrl: '',
    }
    this.#transport = new MemoryTransport(world.network, { identity, address })
    const { space } = options
    this.#space =
      space === null ? null : new SimulatedSpace(directory.space, space, (answer) => this.#answerLater(answer))
    const opened = damage === null ? disk.open() : new DamagedJournal(disk.open(), damage)
    this.#journal = opened
    const { sabotage } = world
    this.#engine = this.#watchedEngine()
    this.#seat = new Seat({
      identity,
      startNonce: this.startNonce,
      engine: this.#engine,
      machine: world.workload.machine(),
      journal: sabotage.journal?.(opened, this.process) ?? opened,
      checkpoints: this.#watchedCheckpoints(),
      checkpointLimits: options.checkpoints,
      ...(this.#space !== null && { space: this.#space }),
      transport: this.#watchedTransport(),
      clock: this.process,
      random: stream(options.seed, `jitter ${id} ${number}`).next,
      logger: SILENT,
      requestTimeoutMs: options.requestTimeoutMs,
      timing: options.timing,
      workPerTurn: options.workPerTurn,
      window: options.window,
      behindBytes: options.network.behindBytes,
      sessionLimits: options.sessions,
      sessionLifetimeMs: options.sessionLifetimeMs,
      failed: (error) => handlers.stopped(error),
    })
    this.member = this.#seat.member
    sabotage.member?.(this.member)
    world.sweeps.watch(this.member.executor.sessions)
    this.#watched = world.watcher.life(id, this.member.core, kind === 'own')
    this.#watchExecution()
    this.#watchInstalls()
    this.process.afterwards = () => this.look()
  }

  start(): void {
    this.#unsettle()
    this.#seat
      .start()
      .then(() => {
        const isFound = !(this.#journal instanceof DamagedJournal) || !this.#journal.wasRead
        if (!isFound) throw new Violation('Checksum', `${this.boot.id} believes a damaged journal`)
      })
      .catch((error) => this.#handlers.stopped(error))
      .finally(() => this.#settle())
  }

  /** Whether it listens at its address. */
  get listens(): boolean {
    return this.#world.network.at(this.boot.address) === this.#transport
  }

  /** Another process listens at its address from now on; its connections stay. */
  loseAddress(): void {
    const { network } = this.#world
    network.leave(this.boot.address, this.#transport)
    const number = MOVED_ADDRESS + this.boot.number * this.#world.options.replicas + this.boot.id
    network.join(memberAddress(number), this.#transport)
  }

  /** This start, as it reports it to others. */
  get startNonce(): Uint8Array {
    return bytesOf(stream(this.#world.options.seed, `start ${this.boot.kind} ${this.boot.id} ${this.boot.number}`))
  }

  /** kill -9, or power loss: nothing more is sent or received. */
  end(): void {
    const { options, diskRandom } = this.#world
    this.#count()
    this.process.end()
    this.boot.directory.life = null
    const { disk, checkpoints } = this.boot.directory
    const kept = options.disk.keeps ? diskRandom.next : undefined
    disk.crash(kept === undefined ? {} : { kept })
    checkpoints.crash(kept)
    void this.#transport.close()
    while (this.#unsettled > 0) this.#settle()
    for (const lost of this.#held) lost()
  }

  /** Gives a request to the member; calls `lost` instead of `respond` if the process ends before the answer. */
  submit(group: Uint8Array, { consistency, min }: How, respond: Respond, lost: () => void): void {
    this.#held.add(lost)
    this.process.run(() => {
      const answered: Respond = (answer) => {
        if (this.#held.delete(lost)) respond(answer)
      }
      this.#seat.read(group, consistency, answered, min)
    })
  }

  /** Whether everything known here, of any row, is committed and has executed. */
  get atRest(): boolean {
    const { core, executor } = this.member
    const executed = executor.executed.vector
    return core.oldestUncommittedMs === 0 && core.committed.every((slot, row) => slot === executed[row])
  }

  /** Runs after everything that happens to the process. */
  look(): void {
    if (this.#world.failure !== null || this.overtaken) return
    if (!this.member.executor.betweenComponents) this.#world.counters.add('turns that end within a component')
    const said = this.#said
    this.#said = []
    try {
      // What reaches nobody binds nobody.
      if (this.boot.kind === 'own' && !this.overtaken) this.#world.watcher.said(said)
      this.#watched.look(said.length > 0)
    } catch (error) {
      this.#world.fail(error as Error)
    }
  }

  lookAtAll(): void {
    this.#watched.lookAtAll()
  }

  #count(): void {
    const { counters } = this.#world
    const { core, executor, dropped } = this.member
    const { fast, slow, recovered, recoveries, falseSuspicions } = core.counts
    counters.addAll(Object.entries({ fast, slow, recovered, recoveries, 'links dropped': dropped }))
    counters.add('suspected in vain', falseSuspicions)
    if (this.#checkpointing) counters.add('checkpoints that a crash interrupts')
    counters.add('requests deferred', core.counts.deferred)
    counters.add('reads that waited', core.counts.readsWaited)
    counters.add('reads that waited for an unknown payload', core.counts.readsBlocked)
    for (const [what, count] of Object.entries(this.member.readCounts)) counters.add(`reads: ${what}`, count)
    counters.add('instances forgotten', core.counts.forgotten)
    const { dropped: outOfRange } = core.counts
    if (outOfRange > 0) {
      // The life may end after the simulation, when nobody catches the error.
      this.#world.fail(new Violation('Ranges', `${this.boot.id} dropped ${outOfRange} messages of correct peers`))
    }
    for (const [level, count] of Object.entries(this.#space?.told ?? {})) counters.add(`disks: ${level}`, count)
    counters.add('instances executed', executor.counts.instances)
    counters.add('no-ops executed', executor.counts.noops)
    if (executor.counts.voidBatches > 0) throw new Violation('Batches', 'a batch of a client was executed as void')
  }

  #watchedEngine(): WatchedEngine {
    const { counters, makeEngine, options, sabotage, watcher } = this.#world
    const { decisions } = watcher
    const { id } = this.boot
    const engine = makeEngine(options.replicas)
    return new WatchedEngine(sabotage.engine?.(engine) ?? engine, {
      learned: (row, slot, footprint: Footprint) => {
        if (this.overtaken) return
        decisions.learned(row, slot, footprint)
        this.#watched.touch(row, slot)
      },
      preAccepted: (row, slot, footprint: Footprint) => {
        if (this.overtaken) return
        // If an own proposal is lost before it is sent, another one gets its slot.
        if (row === id) this.#proposed.set(slot, footprint)
        else decisions.learned(row, slot, footprint)
        this.#watched.touch(row, slot)
      },
      committed: (row, slot, deps: Vector | null) => {
        if (this.overtaken) return
        const own = row === id ? this.#proposed.get(slot) : undefined
        if (own !== undefined) decisions.learned(row, slot, own)
        if (own !== undefined && deps === null) counters.add('proposed again')
        this.#proposed.delete(row === id ? slot : 0)
        decisions.committed(id, row, slot, deps)
        this.#watched.touch(row, slot)
      },
      executed: (order, pending) => {
        if (this.overtaken) return
        if (pending > 0) counters.add('blocked executions')
        for (let at = 0; at < order.length; at += 1 + 2 * (order[at] as number)) {
          if ((order[at] as number) > 1) counters.add('components > 1')
        }
      },
    })
  }

  /** An instance executes when its batch is asked for. */
  #watchExecution(): void {
    const { core } = this.member
    const batchToExecute = core.batchToExecute.bind(core)
    core.batchToExecute = (row, slot) => {
      this.#executes(row, slot)
      return batchToExecute(row, slot)
    }
  }

  #executes(row: number, slot: number): void {
    if (this.overtaken) return
    const { record } = this.#world
    this.#world.happened('executes', this.boot.id, row, slot)
    const isFirst = this.#watched.execution.executed(row, slot)
    const commands = this.member.core.instance(row, slot)?.batch?.commands
    if (isFirst && commands !== undefined) record.executed(commands)
  }

  #watchedCheckpoints(): WatchedCheckpoints {
    const { directory } = this.boot
    const { counters } = this.#world
    return new WatchedCheckpoints(directory.checkpoints.open(), {
      begun: (header) => {
        const { journal } = header
        this.#checkpointing = true
        if (!this.member.executor.betweenComponents) throw new Violation('Checkpoints', 'within a component')
        const execution = this.#watched.execution.copy()
        directory.executions.set(journal, execution)
        this.#world.watcher.decisions.checkpoints.set(keyOf(header), execution)
      },
      finished: ({ journal }) => {
        counters.add('checkpoints taken')
        this.#checkpointing = false
        this.#world.happened('takes a checkpoint', this.boot.id, journal)
        // The journal before it goes.
        directory.refresh()
      },
      abandoned: () => {
        counters.add('checkpoints given up')
        this.#checkpointing = false
      },
      damaged: () => {
        counters.add('checkpoints found damaged')
        this.#watched.execution.takeOver(this.#world.watcher.decisions.execution(this.boot.id))
      },
      read: ({ journal }) => {
        counters.add('checkpoints read')
        this.#world.happened('restores a checkpoint', this.boot.id, journal)
        this.#watched.execution.takeOver(directory.executions.get(journal) as Execution)
      },
      installs: (header) => {
        this.#installing = header
      },
      unsettled: () => this.#unsettle(),
      settled: () => this.#settle(),
    })
  }

  /** The state is replaced at the moment when the core installs what has executed. */
  #watchInstalls(): void {
    const { core } = this.member
    const install = core.install.bind(core)
    core.install = (parts) => {
      const header = this.#installing as CheckpointHeader
      this.#world.counters.add('checkpoints installed')
      this.#world.happened('installs a checkpoint', this.boot.id, header.id, header.journal)
      const isIndexed = (row: number, slot: number) => this.#engine.footprint(row, slot) !== null
      const installed = this.#watched.installs(() => install(parts), isIndexed)
      const execution = this.#world.watcher.decisions.checkpoints.get(keyOf(header)) as Execution
      this.#watched.execution.takeOver(execution)
      return installed
    }
  }

  #watchedTransport(): WatchedTransport {
    const { options } = this.#world
    const { id, kind, directory } = this.boot
    return new WatchedTransport({
      inner: this.#transport,
      process: this.process,
      membersOf: () => members(options.replicas),
      split: options.network.split,
      watch: {
        isMuted: () => this.muted,
        sent: (to, messages, bytes, taken) => {
          if (this.#space?.saysFull) throw new Violation('Space', `${id} takes part although its disk is full`)
          if (taken) this.#mayBeHeard(to)
          for (const message of messages) this.#says(to, message)
          this.#world.traced(bytes)
        },
        buffered: (bytes) => {
          if (bytes > options.network.behindBytes) this.#world.counters.add('links behind')
        },
        overflowed: () => this.#world.counters.add('links closed by their backlog'),
        received: (from, messages) => {
          for (const message of messages) {
            if (message.type === MessageType.heartbeat || isCheckpointMessage(message)) continue
            this.#world.happened('receives', id, from, message)
            if ('row' in message) this.#watched.touch(message.row, message.slot)
          }
        },
        claims: ({ start }) =>
          this.#judge(() => {
            if (directory.refresh().starts === start.number) return
            throw new Violation('Start', `${id} is linked before its start is durable`)
          }),
        admits: (peer, claim) =>
          this.#judge(() => {
            const known = directory.refresh().peers.get(peer)
            if (isSame(known?.incarnation, claim.incarnation) && isSame(known?.start.nonce, claim.start.nonce)) return
            throw new Violation('Peers', `${id} admits ${peer} before it has written down who that is`)
          }),
        refused: (reason) => {
          if (kind === 'stranger' && reason === 'foreign') this.#world.counters.add('strangers refused')
          if (reason === 'copy') this.#world.counters.add('copies refused')
          if (reason === 'amnesiac' && !this.#world.operator.founded)
            this.#world.counters.add('amnesiacs before founding')
        },
        unsettled: () => this.#unsettle(),
        settled: () => this.#settle(),
      },
    })
  }

  #mayBeHeard(by: number): void {
    const { id, kind, directory, number } = this.boot
    if (kind !== 'own' || this.overtaken) throw new Violation('Copies', `${by} listens to ${id}, a copy or a stranger`)
    this.#world.operator.takes(by, id, directory, number)
  }

  #says(to: number, message: AnyMessage): void {
    const { counters } = this.#world
    counters.add(`message ${MESSAGE_NAMES.get(message.type)}`)
    if (message.type === MessageType.heartbeat) return this.#announces(message)
    if (isCheckpointMessage(message)) return
    if ('row' in message) this.#watched.touch(message.row, message.slot)
    this.#world.happened('sends', this.boot.id, to, message)
    this.#said.push({ from: this.boot.id, to, message })
    this.#handlers.said(message)
  }

  /** The operating system answers a question that needs the disk, when the process runs. */
  #answerLater(answer: () => void): void {
    const { time } = this.#world
    this.#unsettle()
    const answered = () => {
      answer()
      time.after(0, () => this.#settle())
    }
    time.after(SPACE_MS, () => this.process.run(answered))
  }

  #announces(heartbeat: Heartbeat): void {
    if (this.boot.kind !== 'own' || this.overtaken) return
    this.#judge(() => this.#world.watcher.announces(this.boot.id, heartbeat))
  }

  /** What a judge throws is a failure of the run, wherever in the code under test it is called. */
  #judge(check: () => void): void {
    try {
      check()
    } catch (error) {
      this.#world.fail(error as Error)
    }
  }

  #unsettle(): void {
    this.#unsettled++
    this.#world.time.unsettled++
  }

  #settle(): void {
    if (this.#unsettled === 0) return
    this.#unsettled--
    this.#world.time.unsettled--
  }
}

/** How long a question about the free space takes. */
const SPACE_MS = 0.1

/** A process whose address was taken listens where nobody dials it. */
const MOVED_ADDRESS = 1000

/** 16 random bytes. */
export function bytesOf(random: Random): Uint8Array {
  return Uint8Array.from({ length: 16 }, () => random.below(256))
}

const MESSAGE_NAMES = new Map<number, string>(Object.entries(MessageType).map(([name, type]) => [type, name]))
