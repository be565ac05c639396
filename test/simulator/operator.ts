import type { Start } from '../../src/protocol/records.ts'
import { type Directory, isSame } from './directory.ts'
import type { SimulatedReplica } from './simulated-replica.ts'
import { Violation } from './violation.ts'
import type { World } from './world.ts'

/** Between two looks. */
const LOOK_MS = 250

/** A founding that cannot end begins again after this time. */
const PATIENCE_MS = 1000

/**
 * What operators do with data directories, and what must hold for them (protocol.md §9). Founding needs all members, so
 * a member that loses its disk before may make it impossible. Then nothing was ever answered, and all begin again with
 * empty disks. Once a directory is founded, the members are those that it knows: the one of a replica's disks that
 * belongs to them comes back.
 */
export class Operator {
  readonly #world: World
  readonly #replicas: readonly SimulatedReplica[]
  /** The members' incarnations by row, once some directory is founded. */
  #members: readonly Uint8Array[] | null = null
  #stuckSinceMs: number | null = null
  /** By receiver and row: the latest start of the row from which the receiver took a message. */
  readonly #heard = new Map<string, { readonly start: number; readonly life: number }>()

  constructor(world: World, replicas: readonly SimulatedReplica[]) {
    this.#world = world
    this.#replicas = replicas
  }

  get founded(): boolean {
    this.#look()
    return this.#members !== null
  }

  begin(): void {
    this.#world.time.after(LOOK_MS, () => {
      this.#act()
      this.begin()
    })
  }

  /** The directory of a replica that its next start should use. */
  choose(replica: SimulatedReplica): Directory {
    this.#look()
    const members = this.#members
    const belongs = (directory: Directory) =>
      members === null ? this.#isMet(replica.id, directory) : isSame(members[replica.id], directory.incarnation)
    return replica.kept.findLast(belongs) ?? replica.directory
  }

  /** Whether every other member has recorded a start of the replica that is later than the given number. */
  allKnowLater(replica: number, start: number): boolean {
    return this.#everyOther(replica, (known) => known !== undefined && known.number > start)
  }

  /** Whether every other member has recorded this start of the replica. */
  allKnow(replica: number, start: Start): boolean {
    return this.#everyOther(replica, (known) => known?.number === start.number && isSame(known.nonce, start.nonce))
  }

  /**
   * A member takes a message of a life. Checks that everybody has recorded whose it is, that each row has one such
   * directory, and that the earlier of two starts is not heard after the later one.
   */
  takes(receiver: number, row: number, directory: Directory, life: number): void {
    const start = directory.refresh().starts
    const key = `${receiver} ${row}`
    const before = this.#heard.get(key)
    if (before?.life === life) return
    if (before !== undefined && before.start >= start) {
      throw new Violation('Copies', `${receiver} hears start ${start} of ${row} after start ${before.start}`)
    }
    this.#heard.set(key, { start, life })
    this.#look()
    if (this.#members === null) throw new Violation('Founding', `${row} speaks before any directory is founded`)
    if (!isSame(this.#members[row], directory.incarnation)) {
      throw new Violation('Founding', `${row} speaks with a directory that is none of the members'`)
    }
    for (const { id, kept } of this.#replicas) {
      const member = kept.filter(({ incarnation }) => isSame(this.#members?.[id], incarnation))
      if (id !== row && !member.some((other) => other.refresh().knows(row, directory.incarnation))) {
        throw new Violation('Founding', `${row} speaks, and ${id} has not written down its incarnation`)
      }
    }
  }

  #act(): void {
    this.#look()
    for (const replica of this.#replicas) if (replica.gaveUp) replica.start()
    if (this.#members !== null) return this.#putRight()
    const isStuck = this.#isStuck()
    if (!isStuck) this.#stuckSinceMs = null
    else if (this.#stuckSinceMs === null) this.#stuckSinceMs = this.#world.time.now
    else if (this.#world.time.now >= this.#stuckSinceMs + PATIENCE_MS) this.#beginAgain()
  }

  #look(): void {
    if (this.#members !== null) return
    for (const { id, kept } of this.#replicas) {
      for (const directory of kept) {
        if (!directory.refresh().founded) continue
        this.#members = this.#replicas.map((_, row) =>
          row === id ? directory.incarnation : (directory.peers.get(row)?.incarnation as Uint8Array),
        )
        return
      }
    }
  }

  #putRight(): void {
    for (const replica of this.#replicas) {
      if (!replica.away && this.choose(replica) !== replica.directory) replica.use(this.choose(replica))
    }
  }

  /** Whether some member has recorded another directory than the one that a replica has. */
  #isStuck(): boolean {
    if (this.#replicas.some(({ away }) => away)) return false
    return this.#replicas.some(({ directory }) =>
      this.#replicas.some((other) => {
        const known = directory.peers.get(other.id)
        return known !== undefined && !isSame(known.incarnation, other.directory.incarnation)
      }),
    )
  }

  #beginAgain(): void {
    this.#stuckSinceMs = null
    this.#world.counters.add('foundings that never end')
    this.#world.happened('begins again')
    for (const replica of this.#replicas) replica.crash()
    for (const replica of this.#replicas) replica.beginAgain()
  }

  #isMet(row: number, { incarnation }: Directory): boolean {
    return this.#replicas.some(
      ({ id, directory }) => id !== row && directory.met.has(row) && directory.knows(row, incarnation),
    )
  }

  /** What counts is the directory that belongs to the members: a member may be away, on a disk of another one. */
  #everyOther(replica: number, holds: (known: Start | undefined) => boolean): boolean {
    return this.#replicas.every(
      (other) => other.id === replica || holds(this.choose(other).refresh().peers.get(replica)?.start),
    )
  }
}
