import { EpaxosError, ErrorCode } from '../../src/errors.ts'
import type { Respond } from '../../src/node/requests.ts'
import { MessageType } from '../../src/protocol/messages.ts'
import { MemoryDisk, type MemoryDiskOptions } from '../../src/storage/memory.ts'
import { MemoryCheckpoints } from '../../src/storage/memory-checkpoints.ts'
import { memberAddress } from '../support/members.ts'
import type { Damage } from './damaged-journal.ts'
import { Directory } from './directory.ts'
import { bytesOf, type How, Life, type LifeKind } from './life.ts'
import { stream } from './options.ts'
import { Violation } from './violation.ts'
import type { World } from './world.ts'

/** Copies of the disk of a stopped replica that are kept to be put back. */
const MOST_BACKUPS = 3

/** A replica over all its lives: its directories, and the process that runs, if one does. */
export class SimulatedReplica {
  readonly id: number
  /** With what it may stop by itself now. */
  readonly excused = new Set<ErrorCode>()
  /** Writes take this much longer. */
  addedDiskMs = 0
  /** Springs when the replica says such a thing. */
  trap: { readonly saying: 'preAccept' | 'commit'; readonly spring: (life: Life) => void } | null = null
  /** The one that starts use. */
  directory: Directory
  /** All that an operator has of this replica. */
  kept: Directory[]
  /** Copies of earlier times. */
  readonly backups: Directory[] = []
  /** It does not run on a directory of its own, or on a fresh one that nobody may believe: operators leave it alone. */
  away = false
  /** It stopped because its peers refuse it: an operator starts it again. */
  gaveUp = false
  readonly #world: World
  #lives = 0
  #directories = 0
  #life: Life | null = null
  /** The copy of an earlier time that {@link runOn} runs on; null before the first. */
  #copy: Directory | null = null
  /** A process that a copy was started beside. */
  #original: Life | null = null

  constructor(world: World, id: number) {
    this.#world = world
    this.id = id
    this.directory = this.#makeDirectory()
    this.kept = [this.directory]
  }

  /** The life that runs, if one does. */
  get life(): Life | null {
    return this.#life
  }

  get up(): boolean {
    return this.#life !== null
  }

  /** Whether a process runs on a copy that must not be believed, will be started on it again, or runs beside one. */
  get runsCopy(): boolean {
    return this.#original !== null || (this.away && this.#copy !== null)
  }

  get disk(): MemoryDisk {
    return this.directory.disk
  }

  /** Whether there is anything on its disk. */
  get hasWritten(): boolean {
    for (const _ of this.disk.durable()) return true
    return false
  }

  /** Starts the process, unless it runs. */
  start(how: { readonly directory?: Directory; readonly kind?: LifeKind; readonly damage?: Damage } = {}): void {
    if (this.#life !== null) return
    const { directory = this.directory, kind = 'own', damage = null } = how
    this.gaveUp = false
    const number = ++this.#lives
    this.#world.happened('starts', this.id, kind, damage ? 'with a damaged journal' : '')
    if (number > 1) this.#world.counters.add('restarts')
    const life: Life = new Life(
      this.#world,
      { id: this.id, number, directory, kind, damage, address: memberAddress(this.id) },
      {
        said: (message) => {
          if (this.#life !== life) return
          const saying = message.type === MessageType.commit && message.ballot === 0 ? 'commit' : 'preAccept'
          if (message.type !== MessageType.preAccept && saying !== 'commit') return
          if (this.trap?.saying !== saying) return
          const { spring } = this.trap
          this.trap = null
          spring(life)
        },
        stopped: (error) => this.#stopped(life, error),
      },
    )
    this.#life = life
    life.start()
  }

  /** Ends the process, if it runs: what was not on its disk is lost. */
  crash(): void {
    this.endOriginal()
    const life = this.#life
    if (life === null) return
    this.#world.happened('crashes', this.id)
    this.#end(life)
    if (life.boot.kind !== 'own' || this.backups.length === MOST_BACKUPS) return
    this.backups.push(this.#copyOf(life.boot.directory))
  }

  /** Comes back with an empty disk, which may be all that is left of it. */
  lose(): void {
    this.crash()
    this.away = true
    this.#copy = null
    this.#useNew()
    this.start()
  }

  /** Comes back with that directory. */
  use(directory: Directory): void {
    this.crash()
    this.away = false
    this.directory = directory
    this.start()
  }

  /** All that it had is thrown away. */
  beginAgain(): void {
    this.crash()
    this.away = false
    this.kept = []
    this.backups.length = 0
    this.#useNew()
    this.start()
  }

  /** Runs on a copy of an earlier time, with its own directory put aside. */
  runOn(backup: Directory): void {
    this.crash()
    this.away = true
    this.#copy = this.#copyOf(backup)
    this.start({ directory: this.#copy, kind: 'copy' })
  }

  /** The copy is started again, as whoever operates it does; a copy that counts its starts must not be believed. */
  runOnAgain(): void {
    if (!this.away || this.#copy === null) return
    this.crash()
    this.start({ directory: this.#copy, kind: 'copy' })
    this.#world.counters.add('copies that start again')
  }

  /**
   * Starts a copy of the directory beside the process that runs, which is stopped as by SIGSTOP and has its address
   * taken. The copy is the replica from now on.
   */
  startCopyBeside(): void {
    const original = this.#life as Life
    original.process.hold()
    original.loseAddress()
    this.#original = original
    this.#life = null
    this.trap = null
    this.kept = this.kept.filter((directory) => directory !== this.directory)
    this.directory = this.#copyOf(this.directory)
    this.kept.push(this.directory)
    this.start()
  }

  /** The process that a copy was started beside goes on; it must not be heard any more. */
  continueOriginal(): void {
    if (this.#original === null) return
    this.#original.overtaken = true
    this.#original.process.letGo()
  }

  endOriginal(): void {
    const original = this.#original
    this.#original = null
    original?.end()
  }

  /** As a connection to the replica. */
  submit(group: Uint8Array, how: How, respond: Respond, lost: () => void): void {
    if (this.#life === null) lost()
    else this.#life.submit(group, how, respond, lost)
  }

  #end(life: Life): void {
    this.#life = null
    this.trap = null
    life.end()
  }

  #stopped(life: Life, error: Error): void {
    const isOriginal = this.#original === life
    if (this.#life !== life && !isOriginal) return
    const code = error instanceof EpaxosError ? error.code : null
    this.#world.happened('stops', this.id, error.message)
    // Who is not founded has nothing that could be missed; who is must be a copy.
    const isRefused = code === ErrorCode.refusedByPeers
    const mayBeRefused = isOriginal || life.boot.kind === 'copy' || life.member.clusterId === null
    if (code !== null && (this.excused.has(code) || (isRefused && mayBeRefused))) {
      this.#world.counters.add(`stopped: ${code}`)
      if (isOriginal) this.endOriginal()
      else this.#end(life)
      this.gaveUp = isRefused && !this.away && !isOriginal
    } else this.#world.fail(error instanceof Violation ? error : asFailure(this.id, error))
  }

  #useNew(): void {
    this.directory = this.#makeDirectory()
    this.kept.push(this.directory)
  }

  #makeDirectory(): Directory {
    const name = `incarnation ${this.id} ${++this.#directories}`
    const incarnation = bytesOf(stream(this.#world.options.seed, name))
    return new Directory(incarnation, this.#world.options.replicas, (directory) => ({
      disk: new MemoryDisk(this.#diskOptions(directory)),
      checkpoints: new MemoryCheckpoints(this.#diskOptions(directory)),
    }))
  }

  #copyOf(original: Directory): Directory {
    const { incarnation, disk, checkpoints } = original
    return new Directory(incarnation, this.#world.options.replicas, (directory) => ({
      disk: disk.copy(this.#diskOptions(directory)),
      checkpoints: checkpoints.copy(this.#diskOptions(directory)),
    })).inherit(original)
  }

  #diskOptions(directory: () => Directory): MemoryDiskOptions {
    return {
      schedule: (written) => this.#write(directory(), written),
      free: () => directory().space.free,
    }
  }

  #write({ life }: Directory, written: () => void): void {
    const { time, options, diskRandom } = this.#world
    const { leastMs, mostMs } = options.disk
    time.after(leastMs + diskRandom.next() * (mostMs - leastMs) + this.addedDiskMs, () => {
      // The write is done whatever the process does; that it hears of it is another matter.
      if (life === null) written()
      else life.process.run(written)
    })
  }
}

function asFailure(id: number, error: Error): Violation {
  return new Violation('Failure', `replica ${id} stops: ${error.stack ?? error.message}`)
}
