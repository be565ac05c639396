import { createHash } from 'node:crypto'
import { epochOf } from '../../src/codec/frame.ts'
import { START_NONCE_BYTES } from '../../src/codec/limits.ts'
import { ReferenceEngine } from '../../src/engine/index.ts'
import { EpaxosError } from '../../src/errors.ts'
import { newestEpochStart, peersIn } from '../../src/node/epoch-start.ts'
import { SILENT } from '../../src/node/logger.ts'
import type { Member } from '../../src/node/member.ts'
import type { ChangeRequest } from '../../src/node/requests.ts'
import { Seat } from '../../src/node/seat.ts'
import { addressesOf, type Membership } from '../../src/protocol/membership.ts'
import type { CheckpointHeader, CheckpointStore } from '../../src/storage/checkpoints.ts'
import type { Returning } from '../../src/storage/directory.ts'
import { MemoryDisk } from '../../src/storage/memory.ts'
import { MemoryCheckpoints } from '../../src/storage/memory-checkpoints.ts'
import { MemoryTransport } from '../../src/transport/memory.ts'
import type { Identity, Transport } from '../../src/transport/transport.ts'
import { ListMachine } from '../simulator/list-machine.ts'
import { SimulatedProcess } from '../simulator/process.ts'
import { WatchedTransport } from '../simulator/watched-transport.ts'
import { type Directory, hex } from './watch.ts'
import { watchStore } from './watched-store.ts'
import type { Stage, World } from './world.ts'

const LIMITS = { leastBytes: 4000, sliceBytes: 1000, sliceMs: 3, bytesPerMs: 1000 }
export const CLUSTER = 'epochs'

/** What a member gave up when its disk was full. */
const STORAGE = 'storage'

export interface PlaceOptions {
  readonly address: string
  /** Its id; null for a joiner. */
  readonly founder: number | null
  /** Another directory than a new one. */
  readonly disks?: (schedule: (written: () => void) => void) => Disks
  readonly incarnation?: Uint8Array
  /** Durability "memory". */
  readonly memory?: boolean
  /** It comes back after it was removed because it stayed away. */
  readonly returning?: Returning
  /** Nobody may believe that it is a member: a copy, a directory that was wiped, a replica of another cluster. */
  readonly isStranger?: boolean
}

export interface Disks {
  readonly disk: MemoryDisk
  readonly checkpoints: MemoryCheckpoints
}

/** One replica: its disk for ever, and the process that runs, if one does. */
export class Place {
  readonly address: string
  readonly disk: MemoryDisk
  readonly checkpoints: MemoryCheckpoints
  readonly directory: Directory
  readonly incarnation: Uint8Array
  /** Of the process that runs. */
  machine = new ListMachine()
  seat: Seat | null = null
  process: SimulatedProcess | null = null
  /** With which code it stopped by itself. */
  ended: string | null = null
  readonly #world: World
  readonly #options: PlaceOptions
  readonly name: string
  #starts = 0
  /** The last that is known. */
  #id = -1
  #transport: Transport | null = null
  /** Seen by {@link #look}. */
  #members: Membership | null = null
  #member: Member | null = null
  /** Of the closing checkpoint that it makes. */
  #stage: 'none' | 'begun' | 'whole' = 'none'
  #wasFull = false
  #leftBefore = false
  /** It has become a member. */
  #isBack = false

  constructor(world: World, options: PlaceOptions) {
    const { address, founder, isStranger = false, returning, disks = fresh } = options
    this.#world = world
    this.#options = options
    const what = returning === undefined ? '' : ` that was replica ${returning.id}`
    this.name = `${address}${what}${isStranger ? ', a stranger' : ''}`
    this.address = address
    this.incarnation = options.incarnation ?? bytesOf(`${this.name} ${world.places.length} ${world.time.now}`)
    const { disk, checkpoints } = disks((written) => {
      const process = this.process
      world.time.after(0.2 + world.random.next(), () => (process === null ? written() : process.run(written)), true)
    })
    this.disk = disk
    this.checkpoints = checkpoints
    const epoch = founder === null ? -1 : 0
    this.directory = { incarnation: hex(this.incarnation), founder, durableEpoch: epoch, epoch }
    if (!isStranger) world.watch.add(this.directory)
  }

  get isStranger(): boolean {
    return this.#options.isStranger ?? false
  }

  get returning(): Returning | null {
    return this.#options.returning ?? null
  }

  start(): void {
    if (this.seat !== null) return
    const world = this.#world
    const { founder } = this.#options
    const process = new SimulatedProcess(world.time, { rate: 1, turnMs: 0.1 })
    const store = this.checkpoints.open()
    if (!this.isStranger) this.#watchStore(store)
    const newest = newestEpochStart(store)
    const members = newest?.start.members ?? (founder === null ? null : world.founders)
    // The crash may have left a checkpoint that was just becoming whole.
    if (members !== null) this.#durable(members)
    const identity = {
      ...{ cluster: CLUSTER, members, id: newest?.id ?? founder ?? -1, incarnation: this.incarnation },
      ...{ address: this.address, clientUrl: '' },
    }
    const founders = founder === null ? new Map<number, string>() : addressesOf(world.founders)
    const peers = newest === null ? founders : peersIn(newest.start, newest.id)
    this.process = process
    const transport = this.#watchedTransport(identity, peers, process)
    this.#transport = transport
    this.#starts++
    this.machine = new ListMachine()
    this.ended = null
    this.#stage = 'none'
    const nameOf = (epoch: number) => `${this.name} (${epoch})`
    const engineOf = (epoch: number, replicas: number) => {
      const engine = new ReferenceEngine(replicas)
      return this.isStranger ? engine : world.watch.engine(nameOf(epoch), epoch, engine)
    }
    const seat: Seat = new Seat({
      ...{ identity, epochStart: newest?.start ?? null, transport, clock: process, logger: SILENT },
      startNonce: bytesOf(`${this.name} ${this.#starts}`),
      engine: engineOf(members?.epoch ?? 0, members?.quorums.replicas ?? 1),
      makeEngine: (replicas) => Promise.resolve(engineOf(seat.members?.epoch ?? 0, replicas)),
      machine: this.machine,
      ...(this.#options.memory === true
        ? { journal: null }
        : { journal: this.disk.open(), checkpoints: store, checkpointLimits: LIMITS }),
      random: () => world.random.next(),
      requestTimeoutMs: world.requestTimeoutMs,
      heldLimitBytes: world.heldLimitBytes,
      returning: this.returning,
      changed: () => {
        this.#stage = 'none'
      },
      failed: (error) => this.#failed(seat, error),
    })
    this.seat = seat
    this.#members = null
    this.#member = null
    process.afterwards = () => this.#look()
    this.#look()
    this.#leftBefore = seat.isLeaving
    world.time.after(0, () => {
      if (this.seat === seat) seat.start().catch((error) => this.#failed(seat, error))
    })
  }

  /** As by kill -9. */
  crash(): void {
    if (this.seat === null) return
    const { counters } = this.#world.watch
    if (this.#stage === 'begun') counters.add('closing checkpoints that a crash interrupts')
    if (this.#stage === 'whole') counters.add('crashes between closing and the next epoch')
    if (this.seat.members === null && this.seat.notReady?.startsWith('joining') === true)
      counters.add('joiners that crash while they fetch')
    this.process?.end()
    this.#id = this.seat.id
    this.seat = null
    this.process = null
    this.disk.crash({ kept: () => this.#world.random.next() })
    this.checkpoints.crash(() => this.#world.random.next())
    void this.#transport?.close()
  }

  /** Its disk takes nothing more, or again. */
  fill(full: boolean, journal: boolean): void {
    this.checkpoints.full = full
    this.disk.full = full && journal
    if (full) this.#wasFull = true
  }

  get ready(): boolean {
    return this.seat !== null && this.seat.notReady === null
  }

  /** Whether it may be started again. */
  get mayStart(): boolean {
    return this.ended === null || this.ended === STORAGE
  }

  /** -1 before it is a member. */
  get id(): number {
    return this.seat?.id ?? this.#id
  }

  get epoch(): number {
    return this.seat?.members?.epoch ?? -1
  }

  /** The number of the start that it claims now; infinite if it is no member. */
  get started(): number {
    const member = this.seat === null ? null : memberOf(this.seat)
    return member?.handshakes.standing.start.number ?? Number.POSITIVE_INFINITY
  }

  isIn({ members, epoch }: Membership): boolean {
    if (epoch === 0) return this.#options.founder !== null
    return members.some(({ incarnation }) => hex(incarnation as Uint8Array) === this.directory.incarnation)
  }

  /** Asks this replica for a change; resolves with the code of what went wrong, or null. */
  async change(change: ChangeRequest, force = false): Promise<string | null> {
    const { epoch } = this
    try {
      await this.seat?.change(change, force)
      this.#world.watch.changed(this.name, epoch, change)
      return null
    } catch (error) {
      return (error as EpaxosError).code ?? String((error as Error).stack)
    }
  }

  #durable(members: Membership): void {
    if (this.isStranger) return
    this.#world.watch.members(this.name, members)
    this.directory.durableEpoch = Math.max(this.directory.durableEpoch, members.epoch)
  }

  /** After anything that happened: the seat may be in another epoch, or have another member. */
  #look(): void {
    const { seat, isStranger } = this
    const { watch } = this.#world
    if (seat === null || isStranger || seat.members === null) return
    if (seat.members !== this.#members) {
      if (this.returning !== null && !this.#isBack) watch.counters.add('replicas that come back by themselves')
      this.#isBack = true
      this.#members = seat.members
      watch.members(this.name, seat.members)
      watch.isIn(this.name, this.directory, seat.members.epoch)
    }
    const member = memberOf(seat)
    if (member === null || member === this.#member) return
    this.#member = member
    const handOver = member.handOver.bind(member)
    member.handOver = () => {
      const carried = handOver()
      // Whoever follows by a peer's checkpoint does not know what became of them.
      if (this.#stage === 'whole') {
        watch.counters.add('void commands carried', carried.proposals.length)
        watch.counters.add('reads carried', carried.reads.length)
      }
      return carried
    }
  }

  #watchStore(store: CheckpointStore): void {
    const world = this.#world
    const { watch } = world
    watchStore(store, {
      begun: (header) => {
        if (!this.#closes(header)) return
        this.#stage = 'begun'
        this.#reach('a closing checkpoint is begun')
      },
      finished: (header, members) => {
        const isOwn = this.#closes(header)
        if (members !== null) this.#durable(members)
        if (isOwn) {
          this.#stage = 'whole'
          watch.counters.add('epochs closed by the own checkpoint')
          watch.closed(this.name, header.epoch - 1, this.seat?.stateHash ?? '')
          this.#reach('a closing checkpoint is whole')
        } else if (header.epoch > this.epoch && members !== null) {
          watch.counters.add("epochs entered by a peer's checkpoint")
          if (!this.isIn(members)) watch.counters.add('removed replicas that learn it late')
        }
      },
      abandoned: () => {
        this.#stage = 'none'
      },
      receives: () => this.#reach('a checkpoint is fetched'),
    })
  }

  #reach(stage: Stage): void {
    this.#world.onStage(this, stage)
  }

  /** Whether it is of the state with which this member ends its epoch: a checkpoint in which nothing has executed. */
  #closes({ epoch, journal, executed }: CheckpointHeader): boolean {
    return this.epoch >= 0 && epoch === this.epoch + 1 && journal === 0 && executed.every((slot) => slot === 0)
  }

  #watchedTransport(
    identity: Identity,
    peers: ReadonlyMap<number, string>,
    process: SimulatedProcess,
  ): WatchedTransport {
    const { network, watch } = this.#world
    const { isStranger, address } = this
    return new WatchedTransport({
      inner: new MemoryTransport(network, { identity, peers, address }),
      ...{ process, split: false },
      membersOf: (epoch) => (isStranger ? null : watch.membersOf(epoch)),
      watch: {
        ...{ isMuted: () => false, buffered: () => {}, overflowed: () => {}, received: () => {} },
        sent: (_to, messages, bytes) => {
          if (!isStranger) watch.sent(this.name, this.directory, this.id, epochOf(bytes) as number, messages)
        },
        claims: ({ start }) => {
          if (isStranger) watch.stranger(start.nonce)
        },
        admits: (_, claim) => {
          // A joiner knows nobody: what it fetches must name it.
          if (!isStranger && this.epoch >= 0) watch.admits(this.name, this.epoch, claim)
        },
        refused: (reason) => {
          if (isStranger) watch.counters.add(`strangers refused: ${reason}`)
        },
        ...{ unsettled: () => {}, settled: () => {} },
      },
    })
  }

  #failed(seat: Seat, error: Error): void {
    if (this.seat !== seat) return
    const code = error instanceof EpaxosError ? error.code : 'internal'
    const { watch, failures } = this.#world
    const wasLeaving = seat.isLeaving
    const { id, members } = seat
    const comesBack = code === 'removed' && members !== null && seat.mayReturn(id)
    this.crash()
    this.ended = code
    if (this.isStranger) return
    if (code === STORAGE && this.#wasFull) return watch.counters.add('members stopped by their disk')
    if (code !== 'removed') return void failures.push(`${this.name} ends: ${error.stack}`)
    watch.left(`${this.name}${wasLeaving ? '' : ', which learns it late,'}`, this.directory)
    if (this.#leftBefore) watch.counters.add('removed replicas that start again, and leave')
    if (!comesBack) return
    watch.counters.add('replicas removed because they stayed away')
    this.#world.comeBack(this, { id, members: [...addressesOf(members)] })
  }
}

function memberOf(seat: Seat): Member | null {
  // A joiner has none, and a leaver has none that it started with.
  if (seat.id < 0 || seat.isLeaving) return null
  try {
    return seat.member
  } catch {
    return null
  }
}

function fresh(schedule: (written: () => void) => void): Disks {
  return { disk: new MemoryDisk({ schedule }), checkpoints: new MemoryCheckpoints({ schedule }) }
}

export function bytesOf(name: string): Uint8Array {
  return Uint8Array.from(createHash('sha256').update(name).digest().subarray(0, START_NONCE_BYTES))
}
