import { AllFacts } from './facts.ts'
import type { Input } from './inputs.ts'
import { type LocalState, LocalStates, type Step } from './local-states.ts'
import type { Setup } from './replica.ts'

/** What may happen in a run, and how often. */
export interface Bounds extends Omit<Setup, 'restarts'> {
  /** Who may propose. */
  readonly proposers: readonly number[]
  /** Recoveries begun, in total. */
  readonly recoveries: number
  readonly crashes: number
  readonly restarts: number
}

/**
 * A step of the cluster: what happened, and the property that it violates ('' for none). The child is valid only during
 * the call.
 */
export type Visit = (child: Uint32Array, input: Input, violation: string) => void

/** How much of the bounds is used up, in one word of four bits each. */
const PROPOSAL = 0
const RECOVERY = 4
const CRASH = 8
const RESTART = 12
const READ = 16
const COUNTED: Partial<Record<Input['kind'], number>> = {
  propose: PROPOSAL,
  recover: RECOVERY,
  crash: CRASH,
  doom: RESTART,
  read: READ,
}

/**
 * The whole cluster. A state is n rows of n words and a last word. Word (i, i) is the local state of replica i, word
 * (i, j) is the set of messages that i has sent to j, and the last word counts how much of the bounds is used.
 *
 * A message stays in flight: it may arrive at any time, again or never, which covers loss, delay, reordering and
 * duplication. So answers that do not change the answering replica are given at once (a run that can do without them
 * can also have them), and messages that can no longer have an effect are dropped. Neither removes a reachable
 * decision.
 */
export class System {
  readonly bounds: Bounds
  readonly locals: LocalStates[] = []
  readonly #facts = new AllFacts()
  readonly #child: Uint32Array
  /** By receiver: bits of the senders whose messages must be checked. */
  readonly #dirty: number[]
  /** Those of them that were checked. */
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
      if (this.#local(state, id).crashed) continue
      for (let from = 0; from < n; from++) {
        const set = from === id ? 0 : (state[from * n + id] as number)
        if (set === 0) continue
        const { moves } = this.#locals(id).inbox(state[id * n + id] as number, set, this.#spent(state))
        for (const move of moves) this.#become(state, id, move, visit)
      }
      for (const expiry of this.expiries(state, id)) this.#stepBy(state, id, expiry, visit)
      if (this.proposals(state) < this.bounds.instances && this.bounds.proposers.includes(id)) {
        this.#stepBy(state, id, { kind: 'propose', text: `propose ${id}` }, visit)
      }
      for (const input of this.own(state, id)) this.#stepBy(state, id, input, visit)
    }
  }

  /**
   * Makes the steps of an opening (openings.ts), in place; returns their whole texts. Throws if one is not possible.
   */
  open(state: Uint32Array, opening: readonly string[]): string[] {
    return opening.map((step) => {
      let whole = ''
      const after = new Uint32Array(this.width)
      this.steps(state, (child, { text }, violation) => {
        if (whole !== '' || violation !== '' || !`${text} `.startsWith(`${step} `)) return
        whole = text
        after.set(child)
      })
      if (whole === '') throw new RangeError(`the opening is not possible: ${step}`)
      state.set(after)
      return whole
    })
  }

  /** What each replica handed to its execution. */
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

  /**
   * What may happen at the replica by itself, except proposals and the end of waiting; some of it may change nothing.
   */
  own(state: Uint32Array, id: number): Input[] {
    const { replicas, crashes, restarts, reads = 0 } = this.bounds
    const inputs: Input[] = []
    if (this.#local(state, id).crashed) return inputs
    if (!this.#spent(state)) {
      for (let row = 0; row < replicas; row++) {
        for (let slot = 1; slot <= this.#local(state, row).slot; slot++) {
          inputs.push({ kind: 'recover', row, slot, text: `recover ${id} ${row}.${slot}` })
        }
      }
    }
    if (this.bounds.changers !== undefined) {
      inputs.push({ kind: 'close', text: `close ${id}` }, { kind: 'leave', text: `leave ${id}` })
    }
    if (this.#used(state, READ) < reads) {
      const mustSee = [...new Set(this.locals.flatMap((_, other) => [...this.#local(state, other).ever]))].sort()
      inputs.push({ kind: 'read', mustSee, text: `read ${id} ${mustSee}` })
    }
    if (this.#used(state, CRASH) < crashes) inputs.push({ kind: 'crash', text: `crash ${id}` })
    for (let peer = 0; this.#used(state, CRASH) > 0 && peer < replicas; peer++) {
      if (this.#local(state, peer).crashed) inputs.push({ kind: 'unlink', peer, text: `unlink ${id} ${peer}` })
    }
    // First nothing becomes durable any more, then the replica comes back.
    if (this.#local(state, id).doomed) inputs.push({ kind: 'restart', text: `restart ${id}` })
    else if (this.#used(state, RESTART) < restarts) inputs.push({ kind: 'doom', text: `doom ${id}` })
    return inputs
  }

  expiries(state: Uint32Array, id: number): Input[] {
    return this.#local(state, id).expiries.map((expiry) => this.input(id, expiry))
  }

  proposals(state: Uint32Array): number {
    return this.#used(state, PROPOSAL)
  }

  /** The messages from one replica that may arrive at another, as inputs. */
  inFlight(state: Uint32Array, from: number, to: number): readonly number[] {
    const set = from === to ? 0 : (state[from * this.bounds.replicas + to] as number)
    return this.#locals(to).sets.of(set)
  }

  input(id: number, number: number): Input {
    return this.#locals(id).inputs[number] as Input
  }

  /** Removes a message from flight. */
  lose(state: Uint32Array, from: number, to: number, message: number): void {
    const { sets } = this.#locals(to)
    const at = from * this.bounds.replicas + to
    state[at] = sets.number(sets.of(state[at] as number).filter((other) => other !== message))
  }

  /** Makes the step, in place; returns the property that it violates, '' for none. */
  take(state: Uint32Array, id: number, input: Input): string {
    let violated = ''
    this.#stepBy(state, id, input, (child, _, violation) => {
      violated = violation
      state.set(child)
    })
    return violated
  }

  #stepBy(state: Uint32Array, id: number, input: Input, visit: Visit): void {
    const locals = this.#locals(id)
    const local = state[id * this.bounds.replicas + id] as number
    const step = locals.step(local, locals.input(input))
    const silent = this.bounds.plain === true ? step.silent : true
    if (step.next !== local || !silent) this.#become(state, id, step, visit)
  }

  #become(state: Uint32Array, id: number, step: Step, visit: Visit): void {
    const input = this.#locals(id).inputs[step.input] as Input
    if (step.next < 0) return visit(state, input, step.violation)
    const n = this.bounds.replicas
    const child = this.#child
    child.set(state)
    child[id * n + id] = step.next
    this.#dirty[id] = ~(1 << id)
    this.#send(child, id, step.sent)
    this.#count(child, input.kind)
    this.#answer(child)
    this.#drop(child)
    const same = this.#local(child, id).facts === this.#local(state, id).facts
    visit(child, input, same ? '' : this.#violation(child, id))
  }

  #count(child: Uint32Array, kind: Input['kind']): void {
    const bound = COUNTED[kind]
    if (bound !== undefined) child[this.width - 1] = (child[this.width - 1] as number) + (1 << bound)
    if (kind === 'doom' || kind === 'restart') this.#settle(child)
    // Whatever no longer matters once nobody recovers can go, everywhere.
    if (kind === 'recover' && this.#spent(child)) this.#dirty.fill(-1)
  }

  /** If no restart is left, the disks of healthy replicas no longer matter. */
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

  /** Gives all answers that do not change the answering replica, and the answers to those. */
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

  /** A replica with messages to check; -1 for none. */
  #next(): number {
    for (let id = 0; id < this.bounds.replicas; id++) if (this.#dirty[id] !== 0) return id
    return -1
  }

  /** Drops what can no longer have an effect from the sets that {@link #answer} checked. */
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

  /** What the facts of the replica violate, together with those of the others and by themselves. */
  #violation(state: Uint32Array, id: number): string {
    const { facts } = this.#local(state, id)
    for (let other = 0; other < this.bounds.replicas; other++) {
      const verdict = this.#facts.verdict(facts, this.#local(state, other).facts)
      if (verdict !== '') return verdict
    }
    return ''
  }
}
