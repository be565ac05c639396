import type { Engine, InstanceId, Vector } from '../../src/engine/engine.ts'
import { EVERYTHING, type Footprint } from '../../src/engine/footprint.ts'
import type { Random } from '../support/random.ts'

/** The parameters of a schedule; all probabilities are per operation or per choice. */
export interface Shape {
  readonly replicas: number
  readonly operations: number
  /** How many different keys there are. */
  readonly keys: number
  readonly keysPerInstance: number
  /** How many keys share each hash of the wasm engine's table. */
  readonly alike: number
  readonly reads: number
  readonly barriers: number
  readonly noops: number
  /** A slot is left out at first. */
  readonly holes: number
  /** A payload arrives late. */
  readonly late: number
  /** A committed vector is arbitrary, not one that replicas could have computed. */
  readonly arbitrary: number
  /** When this many instances are unexecuted, the schedule commits and executes everything. */
  readonly window: number
}

export function drawShape(random: Random): Shape {
  const replicas = 1 + random.below(9)
  // The wasm engine looks up 64 keys at a time.
  const large = random.chance(0.03)
  return {
    replicas,
    operations: 200 + random.below(large ? 300 : 1800),
    keys: large ? random.pick([30, 300, 10_000]) : random.pick([1, 2, 3, 5, 8, 30]),
    keysPerInstance: large ? random.pick([64, 65, 200]) : 1 + random.below(4),
    alike: random.pick([1, 1, 4, 16]),
    reads: random.pick([0, 0.3, 0.7]),
    barriers: random.pick([0, 0.02, 0.2]),
    noops: random.pick([0, 0.05, 0.2]),
    holes: random.pick([0, 0.05, 0.2]),
    late: random.pick([0, 0.1, 0.4]),
    arbitrary: random.pick([0, 0, 0.1, 0.6]),
    window: random.pick([4, 12, 30, 80]),
  }
}

type Stage = 'hole' | 'held' | 'entered' | 'committed' | 'executed'

interface Planned extends InstanceId {
  readonly footprint: Footprint
  stage: Stage
  entered: boolean
  deps: Vector | null
}

/**
 * Draws calls of an engine, one after the other: calls that replicas could make, and stranger ones. Records the
 * answers.
 */
export class Schedule {
  readonly #random: Random
  readonly #shape: Shape
  readonly #engine: Engine
  readonly #rows: Planned[][]
  readonly #floor: number[]
  readonly #executed: number[]
  #live: Planned[] = []
  /** Instances executed in components of more than one. */
  inComponents = 0
  executions = 0
  blocked = 0

  constructor(random: Random, shape: Shape, engine: Engine) {
    this.#random = random
    this.#shape = shape
    this.#engine = engine
    this.#rows = Array.from({ length: shape.replicas }, () => [])
    this.#floor = this.#rows.map(() => 0)
    this.#executed = this.#rows.map(() => 0)
  }

  step(): void {
    if (this.#live.length > this.#shape.window) return this.drain()
    const choice = this.#random.below(100)
    if (choice < 25) this.#propose()
    else if (choice < 35) this.#enter()
    else if (choice < 62) this.#commit()
    else if (choice < 84) this.#execute()
    else if (choice < 90) this.#ask()
    else if (choice < 94) this.#repeat()
    else if (choice < 96) this.#misuse()
    else this.#truncate()
  }

  /** Commits and executes everything that is left, in random order. */
  drain(): void {
    for (const instance of this.#shuffled(this.#live)) {
      if (!instance.entered && !this.#chance(this.#shape.noops)) this.#enterInstance(instance)
      if (instance.stage !== 'committed') this.#commitInstance(instance)
      if (this.#chance(0.3)) this.#execute()
    }
    for (let i = 0; i < 3; i++) this.#execute()
    if (!this.#live.length) return
    // Arbitrary vectors may reach beyond everything that was proposed.
    for (const row of this.#rows.keys()) {
      const highest = Math.max(0, ...this.#live.map(({ deps }) => deps?.[row] ?? 0))
      while ((this.#rows[row] as Planned[]).length < highest) this.#commitNoop(this.#plan(row))
    }
    this.#execute()
  }

  #propose(): void {
    const row = this.#random.below(this.#shape.replicas)
    while (this.#chance(this.#shape.holes)) this.#plan(row)
    const instance = this.#plan(row)
    if (this.#chance(this.#shape.late)) instance.stage = 'held'
    else this.#enterInstance(instance)
  }

  #plan(row: number): Planned {
    const slots = this.#rows[row] as Planned[]
    const instance: Planned = {
      row,
      slot: slots.length + 1,
      footprint: this.#footprint(),
      stage: 'hole',
      entered: false,
      deps: null,
    }
    slots.push(instance)
    this.#live.push(instance)
    return instance
  }

  #enter(): void {
    const instance = this.#pickLive((candidate) => !candidate.entered)
    if (instance !== undefined) this.#enterInstance(instance)
  }

  #enterInstance(instance: Planned): void {
    if (this.#chance(0.7)) instance.deps = this.#engine.dependencies(instance.row, instance.slot, instance.footprint)
    else this.#engine.enter(instance.row, instance.slot, instance.footprint)
    instance.entered = true
    if (instance.stage !== 'committed') instance.stage = 'entered'
  }

  #commit(): void {
    const instance = this.#pickLive(({ stage }) => stage !== 'committed')
    if (instance === undefined) return
    if (instance.stage === 'hole' && !this.#chance(0.2)) return
    this.#commitInstance(instance)
  }

  #commitInstance(instance: Planned): void {
    if (!instance.entered || this.#chance(this.#shape.noops)) return this.#commitNoop(instance)
    instance.deps = this.#outcome(instance)
    this.#engine.commit(instance.row, instance.slot, instance.deps)
    instance.stage = 'committed'
  }

  #commitNoop(instance: Planned): void {
    instance.deps = null
    this.#engine.commit(instance.row, instance.slot, null)
    instance.stage = 'committed'
  }

  /**
   * The vector computed here, the vector that another replica with more or fewer instances would have raised, or an
   * arbitrary one.
   */
  #outcome(instance: Planned): Vector {
    if (this.#chance(this.#shape.arbitrary)) return this.#rows.map((slots) => this.#random.below(slots.length + 2))
    const deps = instance.deps ?? this.#engine.dependencies(instance.row, instance.slot, instance.footprint)
    if (this.#chance(0.5)) return deps
    return deps.map((slot, row) => {
      if (row === instance.row) return instance.slot - 1
      return Math.max(slot, (this.#rows[row] as Planned[]).length - this.#random.below(6))
    })
  }

  #execute(): void {
    const order = this.#engine.execute()
    for (let at = 0; at < order.length; ) {
      const size = order[at++] as number
      if (size > 1) this.inComponents += size
      for (let i = 0; i < size; i++, at += 2) {
        this.#planned(order[at] as number, order[at + 1] as number).stage = 'executed'
        this.executions++
      }
    }
    this.#live = this.#live.filter(({ stage }) => stage !== 'executed')
    for (const [row, slots] of this.#rows.entries()) {
      while (slots[this.#executed[row] as number]?.stage === 'executed') (this.#executed[row] as number)++
    }
    void this.#engine.pending
  }

  #ask(): void {
    const row = this.#random.below(this.#shape.replicas)
    const slots = this.#rows[row] as Planned[]
    const choice = this.#random.below(4)
    if (choice === 0) this.#askForWriters()
    else if (choice === 3) this.#engine.footprint(row, 1 + this.#random.below(slots.length + 1))
    else if (choice === 1) {
      const beyond = this.#rows.map((other) => this.#random.below(other.length + 1))
      this.#engine.conflicts(row, 1 + this.#random.below(slots.length + 1), this.#footprint(), beyond)
    } else {
      const instance = this.#pickLive(({ stage }) => stage === 'committed')
      if (instance === undefined) return
      if (this.#engine.blocker(instance.row, instance.slot) !== null) this.blocked++
    }
  }

  #askForWriters(): void {
    const keys = Array.from({ length: this.#random.pick([1, 3, 70]) }, () => this.#key())
    for (const key of keys.slice(0, 3)) this.#engine.writers(...key)
    const beyond = this.#rows.map((other) => this.#random.below(other.length + 1))
    this.#engine.writersBeyond(Uint32Array.from(keys.flat()), beyond)
  }

  /** Repeats earlier calls, also about executed or forgotten instances: nothing changes. */
  #repeat(): void {
    const slots = this.#rows[this.#random.below(this.#shape.replicas)] as Planned[]
    const instance = slots[this.#random.below(slots.length)]
    if (instance === undefined) return
    if (instance.entered) this.#engine.dependencies(instance.row, instance.slot, instance.footprint)
    const decided = instance.stage === 'committed' || instance.stage === 'executed'
    if (decided) this.#engine.commit(instance.row, instance.slot, instance.deps)
    else if (instance.entered) this.#engine.enter(instance.row, instance.slot, instance.footprint)
    if (decided && !instance.entered && this.#chance(0.5)) {
      this.#engine.enter(instance.row, instance.slot, instance.footprint)
      instance.entered = true
    }
  }

  /** The engine refuses this call, and the refusal is recorded. */
  #misuse(): void {
    const { replicas } = this.#shape
    const row = this.#random.below(replicas)
    const next = (this.#rows[row] as Planned[]).length + 1
    const choice = this.#random.below(4)
    if (choice < 2) attempt(() => this.#engine.commit(row, next, new Array(replicas).fill(0)))
    else if (choice === 2) {
      // Forgotten.
      if ((this.#floor[row] as number) > 0)
        attempt(() => this.#engine.enterExecuted(row, this.#floor[row] as number, null))
    } else attempt(() => this.#engine.truncate(this.#executed.map((slot) => slot + 1)))
  }

  #truncate(): void {
    for (const [row, executed] of this.#executed.entries()) {
      const floor = this.#floor[row] as number
      this.#floor[row] = floor + this.#random.below(executed - floor + 1)
    }
    this.#engine.truncate([...this.#floor])
  }

  #footprint(): Footprint {
    const writes: number[] = []
    const reads: number[] = []
    const count = this.#random.below(this.#shape.keysPerInstance + 1)
    for (let i = 0; i < count; i++) (this.#chance(this.#shape.reads) ? reads : writes).push(...this.#key())
    const header = (writes.length >>> 1) | (this.#chance(this.#shape.barriers) ? EVERYTHING : 0)
    return Uint32Array.of(header, ...writes, ...reads)
  }

  /** The lanes of a key. Some keys are alike because of what `hash` in assembly/table.ts does first. */
  #key(): [lo: number, hi: number] {
    const key = this.#random.below(this.#shape.keys)
    const hi = key % this.#shape.alike
    return [(Math.floor(key / this.#shape.alike) ^ (hi << 15)) >>> 0, hi]
  }

  #pickLive(suits: (instance: Planned) => boolean): Planned | undefined {
    const candidates = this.#live.filter(suits)
    return candidates[this.#random.below(candidates.length)]
  }

  #shuffled<T>(items: readonly T[]): T[] {
    const keyed = items.map((item) => ({ item, key: this.#random.next() }))
    return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item)
  }

  #planned(row: number, slot: number): Planned {
    return (this.#rows[row] as Planned[])[slot - 1] as Planned
  }

  #chance(probability: number): boolean {
    return this.#random.chance(probability)
  }
}

function attempt(call: () => void): void {
  try {
    call()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
}
