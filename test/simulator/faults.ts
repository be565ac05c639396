import { ErrorCode } from '../../src/errors.ts'
import { STALL_MS } from '../../src/node/member.ts'
import { memberAddress } from '../support/members.ts'
import type { SimulatedClient } from './client.ts'
import type { Fault } from './fault-plan.ts'
import { foreignDirectory } from './foreign-directory.ts'
import { Life } from './life.ts'
import { stream } from './options.ts'
import type { SimulatedReplica } from './simulated-replica.ts'
import { Violation } from './violation.ts'
import type { World } from './world.ts'

/** A process with the slowest clock that stood still for this long notices it. */
const SURELY_NOTICED_MS = 1.5 * STALL_MS

/** Strangers listen where nobody dials them. */
const STRANGER_ADDRESS = 100

/** Makes the planned faults happen. Their own ends repair what they break, or the healing of the world does. */
export class Faults {
  readonly #world: World
  readonly #replicas: readonly SimulatedReplica[]
  readonly #clients: readonly SimulatedClient[]
  readonly #strangers = new Set<Life>()
  #strangerNumber = 0

  constructor(world: World, replicas: readonly SimulatedReplica[], clients: readonly SimulatedClient[]) {
    this.#world = world
    this.#replicas = replicas
    this.#clients = clients
  }

  plan(faults: readonly Fault[]): void {
    for (const fault of faults) {
      this.#world.time.after(fault.atMs, () => {
        if (this.#world.healed) return
        this.#world.happened(`fault ${fault.kind}`, 'replica' in fault ? fault.replica : '')
        if (this.#strike(fault)) this.#world.counters.add(`fault ${fault.kind}`)
      })
    }
  }

  /** Returns whether it could happen. */
  #strike(fault: Fault): boolean {
    const replica = 'replica' in fault ? this.#replicas[fault.replica] : undefined
    switch (fault.kind) {
      case 'duel':
        return this.#duel(fault)
      case 'blackout':
        return this.#blackout(fault.forMs)
      case 'cut':
        return this.#cut([[fault.from, fault.to]], fault)
      case 'partition':
        return this.#cut(this.#between(fault.side), fault)
      case 'stranger':
        return this.#stranger(fault.replica, fault.forMs)
      case 'clientEnds':
        this.#clients[fault.client]?.restart()
        return true
      default:
        return replica?.up === true && this.#strikeOne(replica, fault)
    }
  }

  #strikeOne(replica: SimulatedReplica, fault: Fault): boolean {
    switch (fault.kind) {
      case 'crash':
        return this.#crash(replica, fault.forMs)
      case 'crashSpeaking':
        this.#setTrap(replica, fault)
        return true
      case 'pause': {
        const { life } = replica
        life?.process.pause()
        this.#later(fault.forMs, () => life?.process.resume())
        return true
      }
      case 'longTurns':
        this.#longTurn(replica, fault, fault.times)
        return true
      case 'amnesia':
        return this.#amnesia(replica, fault.forMs)
      case 'copyBeside':
        return this.#copyBeside(replica, fault.forMs)
      case 'copyBack':
        return this.#copyBack(replica, fault.forMs)
      case 'slowDisk':
        replica.addedDiskMs = fault.addedMs
        this.#later(fault.forMs, () => {
          replica.addedDiskMs = 0
        })
        return true
      case 'fullDisk': {
        replica.excused.add(ErrorCode.storage)
        const { disk } = replica
        disk.full = true
        this.#later(fault.forMs, () => {
          disk.full = false
          replica.start()
        })
        return true
      }
      case 'shortDisk': {
        const { space } = replica.directory
        space.leave(fault.leavesBytes)
        this.#later(fault.forMs, () => space.release())
        return true
      }
      case 'damage':
        return this.#damage(replica, fault)
      case 'damageCheckpoint':
        return this.#damageCheckpoint(replica, fault)
      case 'fullCheckpoints': {
        const { checkpoints } = replica.directory
        checkpoints.full = true
        this.#later(fault.forMs, () => {
          checkpoints.full = false
        })
        return true
      }
      case 'jump':
        replica.life?.process.jump(fault.byMs)
        return true
      default:
        return false
    }
  }

  /** The end of a fault only happens while there are faults. */
  #later(ms: number, end: () => void): void {
    this.#world.time.after(ms, () => {
      if (!this.#world.healed) end()
    })
  }

  #longTurn(replica: SimulatedReplica, fault: Fault & { kind: 'longTurns' }, times: number): void {
    const { life } = replica
    if (life === null || times === 0) return
    life.process.pause()
    this.#later(fault.turnMs, () => {
      life.process.resume()
      this.#later(fault.gapMs, () => this.#longTurn(replica, fault, times - 1))
    })
  }

  #blackout(forMs: number): boolean {
    for (const replica of this.#replicas) replica.crash()
    this.#later(forMs, () => {
      for (const replica of this.#replicas) replica.start()
    })
    return true
  }

  #duel({ proposers, silent, afterMs, forMs }: Fault & { kind: 'duel' }): boolean {
    for (const [i, id] of proposers.entries()) this.#clients[i % this.#clients.length]?.askSomething(id)
    for (const id of silent) {
      const replica = this.#replicas[id] as SimulatedReplica
      if (!replica.up) continue
      if (proposers.includes(id)) this.#setTrap(replica, { saying: 'preAccept', afterMs, forMs })
      else this.#later(2 * afterMs, () => this.#crash(replica, forMs))
    }
    return true
  }

  #crash(replica: SimulatedReplica, forMs: number): boolean {
    replica.crash()
    this.#later(forMs, () => replica.start())
    return true
  }

  #setTrap(
    replica: SimulatedReplica,
    fault: { readonly saying: 'preAccept' | 'commit'; readonly afterMs: number; readonly forMs: number },
  ): void {
    replica.trap = {
      saying: fault.saying,
      spring: (life) => {
        this.#world.counters.add('coordinators crashed in mid-sentence')
        life.muted = fault.afterMs === 0
        this.#later(fault.afterMs, () => {
          if (replica.life === life) this.#crash(replica, fault.forMs)
        })
      },
    }
  }

  /** Not all at a time: if all disks are lost it is a new cluster, which knows nothing of the old one. */
  #amnesia(replica: SimulatedReplica, forMs: number): boolean {
    if (replica.away || this.#isLast(replica)) return false
    const own = replica.directory
    replica.lose()
    const { directory } = replica
    this.#later(forMs, () => {
      if (replica.directory !== directory) return
      replica.directory = own
      replica.use(this.#world.operator.choose(replica))
    })
    return true
  }

  /** Whether no other replica has the directory with which it is a member. */
  #isLast(replica: SimulatedReplica): boolean {
    return this.#replicas.every((other) => other === replica || other.away || !this.#hasOwn(other))
  }

  #hasOwn(replica: SimulatedReplica): boolean {
    return !this.#world.operator.founded || this.#world.operator.choose(replica) === replica.directory
  }

  /**
   * Members that have recorded the copy's start can distinguish the copy from the process that was copied. As long as
   * one member has not, that member and the process would believe each other. So the process continues only when all
   * have; protocol.md §9 has that hole. It has stood still for so long that it notices.
   */
  #copyBeside(replica: SimulatedReplica, forMs: number): boolean {
    if (!this.#mayCopy(replica)) return false
    const { life: original } = replica
    if (original?.boot.kind !== 'own' || original.boot.damage !== null || !original.listens) return false
    replica.startCopyBeside()
    const { life, directory } = replica
    const noticesAtMs = this.#world.time.now + SURELY_NOTICED_MS
    const look = (): void => {
      if (replica.life !== life || life === null) return
      const start = { number: directory.refresh().starts, nonce: life.startNonce }
      const isEarly = this.#world.time.now < noticesAtMs
      if (isEarly || !this.#world.operator.allKnow(replica.id, start)) return this.#later(20, look)
      this.#world.counters.add('copies beside a process')
      replica.continueOriginal()
    }
    this.#later(20, look)
    this.#later(SURELY_NOTICED_MS + forMs, () => replica.endOriginal())
    return true
  }

  /**
   * Only a copy of which every other member has heard a later start: nobody could recognize another one (protocol.md
   * §9).
   */
  #copyBack(replica: SimulatedReplica, forMs: number): boolean {
    const { operator } = this.#world
    if (!this.#mayCopy(replica)) return false
    const backup = replica.backups.find((copy) => operator.allKnowLater(replica.id, copy.refresh().starts))
    if (backup === undefined || operator.choose(replica) !== replica.directory) return false
    replica.runOn(backup)
    for (const share of [1 / 4, 1 / 2, 3 / 4]) this.#later(share * forMs, () => replica.runOnAgain())
    this.#later(forMs, () => {
      if (replica.away) replica.use(replica.directory)
    })
    return true
  }

  /**
   * One copy at a time: two that are older than each other's last start would believe each other. Nor beside others
   * that have all lost their disks: a copy from before the founding would found another cluster with them (seed
   * 1220004111).
   */
  #mayCopy(replica: SimulatedReplica): boolean {
    if (replica.away || this.#isLast(replica) || !this.#world.operator.founded) return false
    return !this.#replicas.some(({ runsCopy }) => runsCopy)
  }

  #stranger(row: number, forMs: number): boolean {
    const { options } = this.#world
    if (options.replicas === 1) return false
    const number = ++this.#strangerNumber
    const directory = foreignDirectory(this.#world, row, number)
    const address = memberAddress(STRANGER_ADDRESS + number)
    const life = new Life(
      this.#world,
      { id: row, number, directory, kind: 'stranger', damage: null, address },
      {
        said: () => {},
        stopped: (error) => this.#world.fail(new Violation('Strangers', `a stranger stops: ${error.message}`)),
      },
    )
    this.#strangers.add(life)
    life.start()
    this.#later(forMs, () => {
      if (this.#strangers.delete(life)) life.end()
    })
    return true
  }

  /** What ends at once when the world heals. */
  end(): void {
    for (const life of this.#strangers) life.end()
    this.#strangers.clear()
  }

  #damage(replica: SimulatedReplica, fault: Fault & { kind: 'damage' }): boolean {
    replica.crash()
    if (!replica.hasWritten) {
      replica.start()
      return false
    }
    replica.excused.add(ErrorCode.damaged)
    replica.start({ damage: fault })
    this.#later(fault.forMs, () => {
      replica.crash()
      replica.excused.delete(ErrorCode.damaged)
      replica.start()
    })
    return true
  }

  /** It may also start from the checkpoint before, or from its journal alone. */
  #damageCheckpoint(replica: SimulatedReplica, { atMs, forMs }: Fault & { kind: 'damageCheckpoint' }): boolean {
    const { life, directory } = replica
    if (life?.boot.kind !== 'own' || life.boot.damage !== null || replica.away) return false
    replica.crash()
    const undo = directory.checkpoints.damage(stream(this.#world.options.seed, `damage ${atMs}`).next)
    if (undo === null) {
      replica.start()
      return false
    }
    replica.excused.add(ErrorCode.damaged)
    directory.undo = () => {
      undo()
      directory.undo = () => {}
      replica.excused.delete(ErrorCode.damaged)
    }
    replica.start()
    this.#later(forMs, () => {
      if (replica.directory === directory) replica.crash()
      directory.undo()
      if (replica.directory === directory && !replica.away) replica.start()
    })
    return true
  }

  #between(side: readonly number[]): [number, number][] {
    const pairs: [number, number][] = []
    for (const a of this.#replicas) {
      for (const b of this.#replicas) if (side.includes(a.id) !== side.includes(b.id)) pairs.push([a.id, b.id])
    }
    return pairs
  }

  #cut(pairs: readonly [number, number][], { how, forMs }: Fault & { kind: 'cut' | 'partition' }): boolean {
    const { network } = this.#world
    for (const [from, to] of pairs) if (from !== to) network.cut(from, to, how)
    this.#later(forMs, () => {
      for (const [from, to] of pairs) network.heal(from, to)
    })
    return true
  }
}
