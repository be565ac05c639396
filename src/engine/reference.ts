import { byInstance, type Engine, type InstanceId, type Vector } from './engine.ts'
import { EVERYTHING, type Footprint } from './footprint.ts'
import { checkFootprint, checkInstance, checkKey, checkKeys, checkReplicas, checkVector } from './ranges.ts'
import { components } from './tarjan.ts'

/** Key hashes as text, without "everything". */
interface Payload {
  readonly writes: ReadonlySet<string>
  readonly reads: ReadonlySet<string>
  readonly everything: boolean
  /** As it was entered. */
  readonly footprint: Footprint
}

interface Instance extends InstanceId {
  payload: Payload | null
  /** `undefined` until committed, `null` for a no-op. */
  outcome: Vector | null | undefined
  executed: boolean
}

interface Row {
  readonly instances: Map<number, Instance>
  /** Every slot up to here was truncated. */
  floor: number
  /** Every slot up to here has executed. */
  executed: number
  /** The highest indexed slot, and the highest one that interferes with everything. */
  highest: number
  highestBarrier: number
}

/** Per row the highest indexed slot that writes a key, and the highest that reads it. */
interface KeyIndex {
  readonly writes: number[]
  readonly reads: number[]
}

/**
 * The engine in plain TypeScript, written for clarity: full sets of edges, and in every call a textbook search over all
 * committed instances. It defines what the wasm engine must answer, and shares no code with it. It is fast enough for a
 * replica that keeps up, not for a long backlog.
 */
export class ReferenceEngine implements Engine {
  readonly replicas: number
  #rows: Row[] = []
  readonly #keys = new Map<string, KeyIndex>()
  /** Committed but not executed. */
  readonly #pending = new Set<Instance>()

  /** Errors: `RangeError` unless `replicas` is from 1 to 16. */
  constructor(replicas: number) {
    checkReplicas(replicas)
    this.replicas = replicas
    this.#begin(Array.from({ length: replicas }, () => 0))
  }

  #begin(floor: Vector): void {
    this.#rows = floor.map((slot) => ({
      instances: new Map(),
      floor: slot,
      executed: slot,
      highest: 0,
      highestBarrier: 0,
    }))
  }

  dependencies(row: number, slot: number, footprint: Footprint): Vector {
    checkInstance(this.replicas, row, slot)
    checkFootprint(footprint)
    const { writes, reads, everything } = payloadOf(footprint)
    const deps = this.#rows.map((other) => (everything ? other.highest : other.highestBarrier))
    for (const key of writes) this.#raise(deps, key, true)
    for (const key of reads) this.#raise(deps, key, false)
    deps[row] = slot - 1
    this.enter(row, slot, footprint)
    return deps
  }

  enter(row: number, slot: number, footprint: Footprint): void {
    checkInstance(this.replicas, row, slot)
    checkFootprint(footprint)
    if (slot <= this.#row(row).floor) return
    const instance = this.#instance(row, slot)
    if (instance.payload !== null) return
    instance.payload = payloadOf(footprint)
    this.#index(instance, instance.payload)
  }

  conflicts(row: number, slot: number, footprint: Footprint, beyond: Vector): InstanceId[] {
    checkInstance(this.replicas, row, slot)
    checkFootprint(footprint)
    checkVector(this.replicas, beyond)
    const payload = payloadOf(footprint)
    const found: InstanceId[] = []
    for (const { instances } of this.#rows) {
      for (const other of instances.values()) {
        if (other.slot <= (beyond[other.row] as number) || (other.row === row && other.slot === slot)) continue
        if (other.payload !== null && interfere(payload, other.payload))
          found.push({ row: other.row, slot: other.slot })
      }
    }
    return found.sort(byInstance)
  }

  writers(lo: number, hi: number): Vector {
    checkKey(lo, hi)
    const key = this.#keys.get(`${lo}:${hi}`)
    return this.#rows.map((row, r) => Math.max(row.highestBarrier, key?.writes[r] ?? 0))
  }

  writersBeyond(keys: Uint32Array, beyond: Vector): Float64Array {
    checkKeys(keys)
    checkVector(this.replicas, beyond)
    const found: number[] = []
    for (let key = 0; 2 * key < keys.length; key++) {
      for (const [row, slot] of this.writers(keys[2 * key] as number, keys[2 * key + 1] as number).entries()) {
        if (slot > (beyond[row] as number)) found.push(key, row, slot)
      }
    }
    return Float64Array.from(found)
  }

  commit(row: number, slot: number, deps: Vector | null): void {
    checkInstance(this.replicas, row, slot)
    if (deps !== null) checkVector(this.replicas, deps)
    if (slot <= this.#row(row).floor) return
    const known = this.#row(row).instances.get(slot)
    if (known?.outcome !== undefined) return
    if (deps !== null && (known === undefined || known.payload === null)) {
      throw new RangeError(`${row}.${slot} is committed before its payload was entered`)
    }
    const instance = this.#instance(row, slot)
    instance.outcome = deps === null ? null : [...deps]
    this.#pending.add(instance)
  }

  execute(): Float64Array {
    const edges = this.#executable()
    const found = components(edges.keys(), (instance) => edges.get(instance) as Set<Instance>)
    const level = new Map<Instance, number>()
    const leveled = found.map((members) => {
      const inside = new Set(members)
      let highest = 0
      for (const member of members) {
        for (const other of edges.get(member) as Set<Instance>) {
          if (!inside.has(other)) highest = Math.max(highest, level.get(other) as number)
        }
      }
      for (const member of members) level.set(member, highest + 1)
      return { level: highest + 1, members: members.sort(byInstance) }
    })
    leveled.sort((a, b) => a.level - b.level || byInstance(first(a.members), first(b.members)))
    for (const { members } of leveled) for (const member of members) this.#markExecuted(member)
    this.#advance()
    return Float64Array.from(
      leveled.flatMap(({ members }) => [members.length, ...members.flatMap((member) => [member.row, member.slot])]),
    )
  }

  blocker(row: number, slot: number): InstanceId | null {
    checkInstance(this.replicas, row, slot)
    const start = this.#row(row).instances.get(slot)
    if (start === undefined || !this.#pending.has(start)) return null
    const blockers: InstanceId[] = []
    const reached = new Set([start])
    for (const instance of reached) {
      const { edges, missing, uncommitted } = this.#edges(instance)
      blockers.push(...missing, ...uncommitted)
      for (const other of edges) reached.add(other)
    }
    const smallest = blockers.sort(byInstance)[0]
    return smallest === undefined ? null : { row: smallest.row, slot: smallest.slot }
  }

  get pending(): number {
    return this.#pending.size
  }

  truncate(floor: Vector): void {
    checkVector(this.replicas, floor)
    if (floor.some((slot, row) => slot > this.#row(row).executed)) {
      throw new RangeError(`not all up to ${floor} has executed`)
    }
    for (const [row, state] of this.#rows.entries()) {
      for (; state.floor < (floor[row] as number); state.floor++) state.instances.delete(state.floor + 1)
      state.highest = 0
      state.highestBarrier = 0
    }
    this.#keys.clear()
    for (const { instances } of this.#rows) {
      for (const instance of instances.values()) if (instance.payload !== null) this.#index(instance, instance.payload)
    }
  }

  restart(floor: Vector): void {
    checkVector(this.replicas, floor)
    this.#pending.clear()
    this.#keys.clear()
    this.#begin(floor)
  }

  enterExecuted(row: number, slot: number, footprint: Footprint | null): void {
    checkInstance(this.replicas, row, slot)
    if (footprint !== null) checkFootprint(footprint)
    const { floor, instances } = this.#row(row)
    if (slot <= floor || instances.has(slot)) throw new RangeError(`${row}.${slot} is known`)
    const instance = this.#instance(row, slot)
    instance.outcome = null
    instance.executed = true
    if (footprint !== null) this.enter(row, slot, footprint)
    this.#advance()
  }

  footprint(row: number, slot: number): Footprint | null {
    checkInstance(this.replicas, row, slot)
    return this.#row(row).instances.get(slot)?.payload?.footprint.slice() ?? null
  }

  /** An estimate: 100 bytes per instance and per key. */
  get bytes(): number {
    return 100 * this.#rows.reduce((count, row) => count + row.instances.size, this.#keys.size)
  }

  #row(row: number): Row {
    return this.#rows[row] as Row
  }

  #instance(row: number, slot: number): Instance {
    const { instances } = this.#row(row)
    const known = instances.get(slot)
    if (known !== undefined) return known
    const instance: Instance = { row, slot, payload: null, outcome: undefined, executed: false }
    instances.set(slot, instance)
    return instance
  }

  #index({ row, slot }: InstanceId, { writes, reads, everything }: Payload): void {
    const state = this.#row(row)
    state.highest = Math.max(state.highest, slot)
    if (everything) state.highestBarrier = Math.max(state.highestBarrier, slot)
    for (const key of writes) raiseAt(this.#key(key).writes, row, slot)
    for (const key of reads) raiseAt(this.#key(key).reads, row, slot)
  }

  #key(name: string): KeyIndex {
    const known = this.#keys.get(name)
    if (known !== undefined) return known
    const none = Array.from({ length: this.replicas }, () => 0)
    const key = { writes: none, reads: [...none] }
    this.#keys.set(name, key)
    return key
  }

  #raise(deps: number[], name: string, writes: boolean): void {
    const key = this.#keys.get(name)
    if (key === undefined) return
    for (const [row, slot] of key.writes.entries()) raiseAt(deps, row, slot)
    if (writes) for (const [row, slot] of key.reads.entries()) raiseAt(deps, row, slot)
  }

  /**
   * What the dependencies of the instance come down to (protocol.md §6): committed instances to execute before it or
   * with it; uncommitted instances that interfere; per row the first slot whose payload and outcome are both unknown.
   */
  #edges({ row, slot, payload, outcome }: Instance) {
    const edges = new Set<Instance>()
    const uncommitted: Instance[] = []
    const missing: InstanceId[] = []
    if (outcome == null || payload === null) return { edges, uncommitted, missing }
    for (const [r, state] of this.#rows.entries()) {
      const upTo = outcome[r] as number
      const unknown = firstUnknown(state)
      if (unknown <= upTo) missing.push({ row: r, slot: unknown })
      for (const other of unexecuted(state, upTo)) {
        if ((other.row === row && other.slot === slot) || other.outcome === null) continue
        if (other.payload === null || !interfere(payload, other.payload)) continue
        if (other.outcome === undefined) uncommitted.push(other)
        else edges.add(other)
      }
    }
    return { edges, uncommitted, missing }
  }

  /** The edges of every pending instance that nothing blocks, directly or through others. */
  #executable(): Map<Instance, Set<Instance>> {
    const all = new Map<Instance, Set<Instance>>()
    const behind = new Map<Instance, Instance[]>()
    const blocked: Instance[] = []
    for (const instance of this.#pending) {
      const { edges, uncommitted, missing } = this.#edges(instance)
      all.set(instance, edges)
      if (uncommitted.length > 0 || missing.length > 0) blocked.push(instance)
      for (const other of edges) {
        const known = behind.get(other)
        if (known === undefined) behind.set(other, [instance])
        else known.push(instance)
      }
    }
    for (let instance = blocked.pop(); instance !== undefined; instance = blocked.pop()) {
      if (all.delete(instance)) blocked.push(...(behind.get(instance) ?? []))
    }
    return all
  }

  #markExecuted(instance: Instance): void {
    instance.executed = true
    this.#pending.delete(instance)
  }

  #advance(): void {
    for (const row of this.#rows) while (row.instances.get(row.executed + 1)?.executed) row.executed++
  }
}

function payloadOf(footprint: Footprint): Payload {
  const header = footprint[0] as number
  const everything = header >= EVERYTHING
  const writes = new Set<string>()
  const reads = new Set<string>()
  if (everything) return { writes, reads, everything, footprint: Uint32Array.of(EVERYTHING) }
  for (let i = 0; 2 * i + 1 < footprint.length; i++) {
    const keys = i < header ? writes : reads
    keys.add(`${footprint[2 * i + 1]}:${footprint[2 * i + 2]}`)
  }
  return { writes, reads, everything, footprint: footprint.slice() }
}

function interfere(a: Payload, b: Payload): boolean {
  if (a.everything || b.everything) return true
  for (const key of a.writes) if (b.writes.has(key) || b.reads.has(key)) return true
  for (const key of a.reads) if (b.writes.has(key)) return true
  return false
}

/** The first slot above the executed ones whose payload and outcome are both unknown. */
function firstUnknown({ instances, executed }: Row): number {
  let slot = executed + 1
  while (isKnown(instances.get(slot))) slot++
  return slot
}

function isKnown(instance: Instance | undefined): boolean {
  return instance !== undefined && (instance.payload !== null || instance.outcome !== undefined)
}

/** The row's instances that have not executed, up to a slot. */
function* unexecuted({ instances, executed }: Row, upTo: number): Iterable<Instance> {
  if (upTo - executed > instances.size) {
    for (const instance of instances.values()) if (instance.slot <= upTo && !instance.executed) yield instance
    return
  }
  for (let slot = executed + 1; slot <= upTo; slot++) {
    const instance = instances.get(slot)
    if (instance !== undefined && !instance.executed) yield instance
  }
}

function raiseAt(vector: number[], row: number, slot: number): void {
  vector[row] = Math.max(vector[row] as number, slot)
}

function first(members: Instance[]): Instance {
  return members[0] as Instance
}
