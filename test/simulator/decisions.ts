import type { Vector } from '../../src/engine/engine.ts'
import { EVERYTHING, type Footprint } from '../../src/engine/footprint.ts'
import { equal, includes } from '../../src/protocol/vector.ts'
import type { CheckpointHeader } from '../../src/storage/checkpoints.ts'
import { Violation } from './violation.ts'

interface Decision {
  readonly row: number
  readonly slot: number
  /** Null for a no-op. */
  readonly deps: Vector | null
}

/** A decided batch under one of its keys. */
interface Holder {
  readonly decision: Decision
  readonly writes: boolean
}

/** Every batch reads this key, and a batch that interferes with everything writes it. */
const EVERY_KEY = '*'

/** Calls `visit` with each key of a footprint once, and with {@link EVERY_KEY}. */
export function eachKey(footprint: Footprint, visit: (key: string, writes: boolean) => void): void {
  const header = footprint[0] as number
  visit(EVERY_KEY, header >= EVERYTHING)
  const writes = header % EVERYTHING
  const keys = new Map<string, boolean>()
  for (let k = 0; 1 + 2 * k < footprint.length; k++) {
    const key = `${footprint[1 + 2 * k]},${footprint[2 + 2 * k]}`
    if (!keys.has(key)) keys.set(key, k < writes)
  }
  for (const [key, isWrite] of keys) visit(key, isWrite)
}

/**
 * Everything that any replica decided and executed in any life. Checks Agreement and Visibility at each commit, one
 * payload for each instance, and one order of interfering instances at each execution (protocol.md §5).
 *
 * Visibility has one relaxation. What every member has executed durably may be forgotten, and is not reported to a
 * recovery any more (§10), so what is decided later need not know of it: it ran everywhere first. What this could hide,
 * a replica that executes the two in the other order, is what the check of the order finds.
 */
export class Decisions {
  readonly #decided = new Map<string, Decision>()
  readonly #replicas: number
  readonly #lives: Execution[] = []
  readonly #executed = new Set<string>()
  readonly #payloads = new Map<string, Footprint>()
  readonly #byKey = new Map<string, Holder[]>()
  /** Per key: the writers in the order of execution, and for each reader the number of writers before it. */
  readonly #writers = new Map<string, string[]>()
  readonly #readers = new Map<string, Map<string, number>>()

  /** Pairs that do not know of each other, because one had run everywhere before the other was decided. */
  strangers = 0

  constructor(replicas: number) {
    this.#replicas = replicas
  }

  /** Instances decided. */
  get count(): number {
    return this.#decided.size
  }

  /** Instances decided as no-ops. */
  get noops(): number {
    let count = 0
    for (const { deps } of this.#decided.values()) if (deps === null) count++
    return count
  }

  learned(row: number, slot: number, footprint: Footprint): void {
    const id = `${row}.${slot}`
    const known = this.#payloads.get(id)
    if (known === undefined) this.#payloads.set(id, footprint)
    else if (known !== footprint && known.join() !== footprint.join()) throw new Violation('Payload', `${id} has two`)
  }

  /** A replica hands the instance to its execution; `deps` is null for a no-op. */
  committed(replica: number, row: number, slot: number, deps: Vector | null): void {
    const id = `${row}.${slot}`
    const known = this.#decided.get(id)
    if (known === undefined) return this.#decide(id, { row, slot, deps })
    const same = known.deps === null || deps === null ? known.deps === deps : equal(known.deps, deps)
    if (!same) throw new Violation('Agreement', `${id} is [${deps}] at ${replica} and was [${known.deps}]`)
  }

  #decide(id: string, decision: Decision): void {
    this.#decided.set(id, decision)
    if (decision.deps === null) return
    const footprint = this.#payloads.get(id)
    if (footprint === undefined) throw new Violation('Payload', `${id} is committed without one`)
    eachKey(footprint, (key, writes) => {
      const holders = entry(this.#byKey, key, () => [])
      for (const holder of holders) if (writes || holder.writes) this.#checkVisibility(decision, holder.decision)
      holders.push({ decision, writes })
    })
  }

  #checkVisibility(a: Decision, b: Decision): void {
    if (includes(a.deps as Vector, b.row, b.slot) || includes(b.deps as Vector, a.row, a.slot)) return
    // The one that is being decided has not executed anywhere.
    if (this.#ranEverywhere(b)) {
      this.strangers++
      return
    }
    throw new Violation('Visibility', `${a.row}.${a.slot} and ${b.row}.${b.slot} do not know of each other`)
  }

  /** Whether every replica has executed it, in whatever life. */
  #ranEverywhere({ row, slot }: Decision): boolean {
    const where = this.#lives.filter((life) => life.has(row, slot)).map(({ replica }) => replica)
    return new Set(where).size === this.#replicas
  }

  /** What a replica had executed when it began a checkpoint: any replica may install it. */
  readonly checkpoints = new Map<string, Execution>()

  /** One life of a replica, from its first execution on. */
  execution(replica: number): Execution {
    const life = new Execution(replica, this)
    this.#lives.push(life)
    return life
  }

  /** Returns whether no replica has executed it before. */
  executed(id: string): boolean {
    const size = this.#executed.size
    return this.#executed.add(id).size > size
  }

  /** Of a decided instance; null for a no-op. */
  footprint(id: string): Footprint | null {
    if (this.#decided.get(id)?.deps === null) return null
    const footprint = this.#payloads.get(id)
    if (footprint === undefined || !this.#decided.has(id)) throw new Violation('Execution', `${id} before its commit`)
    return footprint
  }

  /** The writer is the `position`-th of the key. */
  wrote(replica: number, key: string, position: number, id: string): void {
    const writers = entry(this.#writers, key, () => [])
    writers[position] ??= id
    if (writers[position] !== id) {
      throw new Violation('Order', `${replica} executes ${id} where ${writers[position]} was executed before`)
    }
  }

  /** The reader comes after `writers` writers of the key. */
  read(replica: number, key: string, writers: number, id: string): void {
    const readers = entry(this.#readers, key, () => new Map())
    const before = readers.get(id)
    if (before === undefined) readers.set(id, writers)
    else if (before !== writers) {
      throw new Violation(
        'Order',
        `${replica} executes ${id} after ${writers} writers of a key, others after ${before}`,
      )
    }
  }
}

/** What one life of a replica executed: each instance once, and interfering ones in the same order as all others. */
export class Execution {
  readonly replica: number
  readonly #decisions: Decisions
  readonly #done = new Set<string>()
  readonly #written = new Map<string, number>()

  constructor(replica: number, decisions: Decisions) {
    this.replica = replica
    this.#decisions = decisions
  }

  has(row: number, slot: number): boolean {
    return this.#done.has(`${row}.${slot}`)
  }

  /** As of now. */
  copy(): Execution {
    const copy = new Execution(this.replica, this.#decisions)
    copy.takeOver(this)
    return copy
  }

  /** What the other had executed, this one has executed. */
  takeOver(other: Execution): void {
    this.#done.clear()
    this.#written.clear()
    for (const id of other.#done) this.#done.add(id)
    for (const [key, position] of other.#written) this.#written.set(key, position)
  }

  /** Returns whether any replica executes its commands for the first time. */
  executed(row: number, slot: number): boolean {
    const id = `${row}.${slot}`
    if (this.#done.has(id)) throw new Violation('Execution', `${this.replica} executes ${id} twice`)
    this.#done.add(id)
    const isFirst = this.#decisions.executed(id)
    const footprint = this.#decisions.footprint(id)
    if (footprint === null) return false
    eachKey(footprint, (key, writes) => {
      const position = this.#written.get(key) ?? 0
      if (writes) {
        this.#decisions.wrote(this.replica, key, position, id)
        this.#written.set(key, position + 1)
      } else this.#decisions.read(this.replica, key, position, id)
    })
    return isFirst
  }
}

/** Names what a checkpoint holds, wherever it is. */
export function keyOf({ id, journal, executed, beyond }: CheckpointHeader): string {
  return JSON.stringify([id, journal, executed, beyond])
}

/** The value of the key; makes it if there is none. */
function entry<V>(map: Map<string, V>, key: string, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
