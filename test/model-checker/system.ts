import { AllFacts } from './facts.ts'
import type { Input } from './inputs.ts'
import { type LocalState, LocalStates, type Step } from './local-states.ts'
import type { Setup } from './replica.ts'

/** What may happen in a run, and how often. */
export interface Bounds extends Omit<Setup, 'restarts'> {
  /** Who may propose. */
  readonly proposers: readonly number[]
  /** Recoveries begun, in all. */
  readonly recoveries: number
  readonly crashes: number
  readonly restarts: number
}

/** A step of the whole: what happened, and what it violates, '' for nothing. The child is only lent. */
export type Visit = (child: Uint32Array, input: Input, violation: string) => void

/** What was used up of the bounds, in one word of four bits each. */
const PROPOSAL = 0
const RECOVERY = 4
const CRASH = 8
const RESTART = 12

/**
 * The whole cluster. A state is n rows of n words and a last word: word (i, i) is the local state of replica i, word (i, j) the set of messages
 * that i has sent to j; the last word counts what was used of the bounds.
 *
 * A message stays in flight: it may arrive at any time, again or never, so loss, delay, reordering and duplication are all in it. Hence answers that
 * change nothing at the replica that gives them are given at once (whoever can be without them can be with them), and messages that can do nothing
 * any more are dropped: neither takes a reachable decision away.
 */
export class System {
  readonly bounds: Bounds
  readonly locals: LocalStates[] = []
  readonly #facts = new AllFacts()
  readonly #child: Uint32Array
  /** By receiver: bits of the senders whose messages to it are to be looked at. */
  readonly #dirty: number[]
  /** Those of them that were. */
  readonly #looked: number[]

  constructor(bounds: Bounds) {
    this.bounds = bounds
    const setup = { ...bounds, restarts: bounds.restarts > 0 }
    for (let id = 0; id < bounds.replicas; id++) {
      this.locals.push(new LocalStates(setup, id, this.locals, this.#facts))
    }
    this.#child = new Uint32Array(this.width)
    this.#dirty = this.locals.map(() => 0)
    this.#looked = this.locals.map(() => 0)
  }

  /** Words of a state. */
  get width(): number {
    return this.bounds.replicas ** 2 + 1
  }

  /** Inputs given to the shipped core so far. */
  get runs(): number {
    return this.locals.reduce((sum, { runs }) => sum + runs, 0)
  }

  get localStates(): number {
    return this.locals.reduce((sum, { all }) => sum + all.length, 0)
  }

  /** Every step from the state. */
  steps(state: Uint32Array, visit: Visit): void {
    const n = this.bounds.replicas
    for (let id = 0; id < n; id++) {
      const local = this.#local(state, id)
      if (local.crashed) continue
      for (let from = 0; from < n; from++) {
        const set = from === id ? 0 : (state[from * n + id] as number)
        if (set === 0) continue
        const { moves } = this.#locals(id).inbox(state[id * n + id] as number, set, this.#spent(state))
        for (const move of moves) this.#become(state, id, move, -1, visit)
      }
      for (const expiry of local.expiries) this.#stepBy(state, id, expiry, -1, visit)
      this.#propose(state, id, visit)
      this.#recover(state, id, visit)
      this.#crash(state, id, visit)
      this.#restart(state, id, visit)
    }
  }

  /** What the execution was told at each replica. */
  outcome(state: Uint32Array): string {
    return this.locals.map((_, id) => this.#facts.text(this.#local(state, id).facts)).join(' | ')
  }

  #locals(id: number): LocalStates {
    return this.locals[id] as LocalStates
  }

  #local(state: Uint32Array, id: number): LocalState {
    return this.#locals(id).of(state[id * this.bounds.replicas + id] as number)
  }

  #used(state: Uint32Array, what: number): number {
    return ((state[this.width - 1] as number) >>> what) & 15
  }

  #spent(state: Uint32Array): boolean {
    return this.#used(state, RECOVERY) >= this.bounds.recoveries
  }

  #propose(state: Uint32Array, id: number, visit: Visit): void {
    if (this.#used(state, PROPOSAL) >= this.bounds.instances || !this.bounds.proposers.includes(id)) return
    this.#stepBy(state, id, this.#locals(id).input({ kind: 'propose', text: `propose ${id}` }), PROPOSAL, visit)
  }

  #recover(state: Uint32Array, id: number, visit: Visit): void {
    if (this.#spent(state)) return
    for (let row = 0; row < this.bounds.replicas; row++) {
      for (let slot = 1; slot <= this.#local(state, row).slot; slot++) {
        const input: Input = { kind: 'recover', row, slot, text: `recover ${id} ${row}.${slot}` }
        this.#stepBy(state, id, this.#locals(id).input(input), RECOVERY, visit)
      }
    }
  }

  /** A replica that crashes stops; the others may notice. */
  #crash(state: Uint32Array, id: number, visit: Visit): void {
    const locals = this.#locals(id)
    const crashes = this.#used(state, CRASH)
    if (crashes < this.bounds.crashes) {
      this.#stepBy(state, id, locals.input({ kind: 'crash', text: `crash ${id}` }), CRASH, visit)
    }
    for (let peer = 0; crashes > 0 && peer < this.bounds.replicas; peer++) {
      if (!this.#local(state, peer).crashed) continue
      this.#stepBy(state, id, locals.input({ kind: 'unlink', peer, text: `unlink ${id} ${peer}` }), -1, visit)
    }
  }

  /** First nothing becomes durable any more, then the replica comes back. Where no more are to follow, the others need no disk. */
  #restart(state: Uint32Array, id: number, visit: Visit): void {
    const locals = this.#locals(id)
    const { doomed } = this.#local(state, id)
    if (doomed) this.#stepBy(state, id, locals.input({ kind: 'restart', text: `restart ${id}` }), -1, visit)
    else if (this.#used(state, RESTART) < this.bounds.restarts) {
      this.#stepBy(state, id, locals.input({ kind: 'doom', text: `doom ${id}` }), RESTART, visit)
    }
  }

  /** `cost`: which bound it counts against, -1 for none. */
  #stepBy(state: Uint32Array, id: number, input: number, cost: number, visit: Visit): void {
    const local = state[id * this.bounds.replicas + id] as number
    const step = this.#locals(id).step(local, input)
    if (step.next !== local) this.#become(state, id, step, cost, visit)
  }

  #become(state: Uint32Array, id: number, step: Step, cost: number, visit: Visit): void {
    const input = this.#locals(id).inputs[step.input] as Input
    if (step.next < 0) return visit(state, input, step.violation)
    const n = this.bounds.replicas
    const child = this.#child
    child.set(state)
    child[id * n + id] = step.next
    this.#dirty[id] = ~(1 << id)
    this.#send(child, id, step.sent)
    if (cost >= 0) this.#count(child, cost)
    else if (input.kind === 'restart') this.#settle(child)
    this.#answer(child)
    this.#drop(child)
    const same = this.#local(child, id).facts === this.#local(state, id).facts
    visit(child, input, same ? '' : this.#violation(child, id))
  }

  #count(child: Uint32Array, cost: number): void {
    child[this.width - 1] = (child[this.width - 1] as number) + (1 << cost)
    if (cost === RESTART) this.#settle(child)
    // What no longer matters once nobody recovers can go, everywhere.
    if (cost === RECOVERY && this.#spent(child)) this.#dirty.fill(-1)
  }

  #settle(child: Uint32Array): void {
    if (this.#used(child, RESTART) < this.bounds.restarts) return
    const n = this.bounds.replicas
    for (const [id, locals] of this.locals.entries()) {
      const { doomed, crashed } = this.#local(child, id)
      if (doomed || crashed) continue
      const step = locals.step(child[id * n + id] as number, locals.input({ kind: 'settle', text: `settle ${id}` }))
      if (child[id * n + id] === step.next) continue
      child[id * n + id] = step.next
      this.#dirty[id] = ~(1 << id)
    }
  }

  #send(child: Uint32Array, from: number, sent: readonly number[]): void {
    const n = this.bounds.replicas
    for (let to = 0; to < n; to++) {
      const added = sent[to] as number
      if (added === 0) continue
      const at = from * n + to
      const union = this.#locals(to).sets.union(child[at] as number, added)
      if (union === child[at]) continue
      child[at] = union
      this.#dirty[to] = (this.#dirty[to] as number) | (1 << from)
    }
  }

  /** Gives all answers that change nothing where they are given, and the answers to those. */
  #answer(child: Uint32Array): void {
    const n = this.bounds.replicas
    const spent = this.#spent(child)
    for (let id = this.#next(); id >= 0; id = this.#next()) {
      const dirty = this.#dirty[id] as number
      this.#dirty[id] = 0
      this.#looked[id] = (this.#looked[id] as number) | dirty
      for (let from = 0; from < n; from++) {
        const set = child[from * n + id] as number
        if (from === id || set === 0 || (dirty & (1 << from)) === 0) continue
        const { answers, silent } = this.#locals(id).inbox(child[id * n + id] as number, set, spent)
        if (!silent) this.#send(child, id, answers)
      }
    }
  }

  /** A replica with messages to be looked at; -1 for none. */
  #next(): number {
    for (let id = 0; id < this.bounds.replicas; id++) if (this.#dirty[id] !== 0) return id
    return -1
  }

  /** Drops what can do nothing any more from the sets that {@link #answer} looked at. */
  #drop(child: Uint32Array): void {
    const n = this.bounds.replicas
    const spent = this.#spent(child)
    for (let id = 0; id < n; id++) {
      const looked = this.#looked[id] as number
      this.#looked[id] = 0
      for (let from = 0; from < n; from++) {
        const at = from * n + id
        if (from === id || (looked & (1 << from)) === 0 || child[at] === 0) continue
        child[at] = this.#locals(id).inbox(child[id * n + id] as number, child[at] as number, spent).rest
      }
    }
  }

  /** What the replica's facts violate together with the others' and by themselves. */
  #violation(state: Uint32Array, id: number): string {
    const { facts } = this.#local(state, id)
    for (let other = 0; other < this.bounds.replicas; other++) {
      const verdict = this.#facts.verdict(facts, this.#local(state, other).facts)
      if (verdict !== '') return verdict
    }
    return ''
  }
}
