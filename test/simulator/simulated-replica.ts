import { EpaxosError, type ErrorCode } from '../../src/errors.ts'
import type { Respond } from '../../src/node/proposals.ts'
import { MessageType } from '../../src/protocol/messages.ts'
import { MemoryDisk } from '../../src/storage/memory.ts'
import type { Damage } from './damaged-journal.ts'
import { bytesOf, Life } from './life.ts'
import { stream } from './options.ts'
import { Violation } from './violation.ts'
import type { World } from './world.ts'

/** A replica over all its lives: its disk, its incarnation, and the process that runs, if one does. */
export class SimulatedReplica {
  readonly id: number
  /** With what it may stop by itself now. */
  readonly excused = new Set<ErrorCode>()
  /** Peers that know its incarnation, durably. */
  readonly knownTo = new Set<number>()
  /** Writes take this much longer. */
  addedDiskMs = 0
  /** Springs when the replica says such a thing. */
  trap: { readonly saying: 'preAccept' | 'commit'; readonly spring: (life: Life) => void } | null = null
  readonly disk: MemoryDisk
  readonly #world: World
  readonly #others: () => readonly SimulatedReplica[]
  #lives = 0
  #life: Life | null = null

  constructor(world: World, id: number, others: () => readonly SimulatedReplica[]) {
    this.#world = world
    this.#others = others
    this.id = id
    this.disk = this.#makeDisk()
  }

  /** The life that runs, if one does. */
  get life(): Life | null {
    return this.#life
  }

  get up(): boolean {
    return this.#life !== null
  }

  /** Whether there is anything on its disk; only while it does not run. */
  get hasWritten(): boolean {
    const { last } = this.disk.open()
    this.disk.crash()
    return last > 0
  }

  /** Starts the process, unless it runs. */
  start(how: { readonly amnesiac?: boolean; readonly damage?: Damage } = {}): void {
    if (this.#life !== null) return
    const { amnesiac = false, damage = null } = how
    const number = ++this.#lives
    this.#world.happened('starts', this.id, amnesiac ? 'with an empty disk' : damage ? 'with a damaged journal' : '')
    if (number > 1) this.#world.counters.add('restarts')
    const name = amnesiac ? `incarnation ${this.id} ${number}` : `incarnation ${this.id}`
    const random = stream(this.#world.options.seed, name)
    const incarnation = bytesOf(random)
    const disk = amnesiac ? this.#makeDisk() : this.disk
    const life: Life = new Life(
      this.#world,
      { id: this.id, number, disk, incarnation, amnesiac, damage },
      {
        said: (message) => {
          const saying = message.type === MessageType.commit && message.ballot === 0 ? 'commit' : 'preAccept'
          if (message.type !== MessageType.preAccept && saying !== 'commit') return
          if (this.trap?.saying !== saying) return
          const { spring } = this.trap
          this.trap = null
          spring(life)
        },
        admitted: (peer) => {
          if (!amnesiac) this.#others()[peer]?.knownTo.add(this.id)
        },
        stopped: (error) => this.#stopped(life, error),
      },
    )
    this.#life = life
    life.start()
  }

  /** Ends the process, if it runs: what was not on its disk is lost. */
  crash(): void {
    const life = this.#life
    if (life === null) return
    this.#world.happened('crashes', this.id)
    this.#end(life)
  }

  /** As a connection to the replica. */
  submit(group: Uint8Array, respond: Respond, lost: () => void): void {
    if (this.#life === null) lost()
    else this.#life.submit(group, respond, lost)
  }

  #end(life: Life): void {
    this.#life = null
    this.trap = null
    life.end()
  }

  #stopped(life: Life, error: Error): void {
    if (this.#life !== life) return
    const code = error instanceof EpaxosError ? error.code : null
    this.#world.happened('stops', this.id, error.message)
    if (code !== null && this.excused.has(code)) {
      this.#world.counters.add(`stopped: ${code}`)
      this.#end(life)
    } else this.#world.fail(error instanceof Violation ? error : asFailure(this.id, error))
  }

  #makeDisk(): MemoryDisk {
    return new MemoryDisk({
      schedule: (written) => {
        const { time, options, diskRandom } = this.#world
        const { leastMs, mostMs } = options.disk
        const life = this.#life
        time.after(leastMs + diskRandom.next() * (mostMs - leastMs) + this.addedDiskMs, () => {
          // The write is done whatever the process does; that it hears of it is another matter.
          if (life === null) written()
          else life.process.run(written)
        })
      },
    })
  }
}

function asFailure(id: number, error: Error): Violation {
  return new Violation('Failure', `replica ${id} stops: ${error.stack ?? error.message}`)
}
