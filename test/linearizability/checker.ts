import { Random } from '../support/random.ts'
import type { Model, Operation } from './history.ts'
import { drawWindow } from './window.ts'

export type Verdict = { readonly linearizable: true } | { readonly linearizable: false; readonly window: string }

/** Part of a history that is judged separately: the operations on one key. */
type Ops<I, O> = readonly Operation<I, O>[]

interface Event {
  readonly op: number
  readonly isCall: boolean
  previous: Event | null
  next: Event | null
  /** Of a call: its return, null if there is none. */
  match: Event | null
}

/**
 * Whether the history is linearizable: whether each operation can get one moment between its call and its return such
 * that the outputs are those of the model at these moments (Herlihy and Wing 1990). The search is Wing and Gong's with
 * Lowe's memory of configurations (Lowe, *Testing for linearizability*, 2017), per partition.
 */
export function check<I, O, S>(model: Model<I, O, S>, history: Ops<I, O>): Verdict {
  const partitions = new Map<string, Operation<I, O>[]>()
  for (const op of history) {
    const key = model.partition(op.input)
    const partition = partitions.get(key)
    if (partition === undefined) partitions.set(key, [op])
    else partition.push(op)
  }
  for (const [key, ops] of partitions) {
    const stuck = search(model, ops)
    if (stuck !== null) return { linearizable: false, window: `${key}:\n${drawWindow(model, ops, stuck)}` }
  }
  return { linearizable: true }
}

/** Null if the operations are linearizable; otherwise the longest sequence that was found, by index. */
function search<I, O, S>(model: Model<I, O, S>, ops: Ops<I, O>): readonly number[] | null {
  const head = link(ops)
  const configurations = new Configurations(ops.length)
  const path: { call: Event; state: S }[] = []
  let longest: number[] = []
  let unfinished = ops.filter(returns).length
  let state = model.initial
  let event = head.next
  while (unfinished > 0) {
    if (event === null) throw new Error('a history has an event too few')
    if (event.isCall) {
      const op = ops[event.op] as Operation<I, O>
      const step = model.step(state, op.input, op.output)
      if (step !== null && configurations.enter(event.op, model.key(step.state))) {
        path.push({ call: event, state })
        state = step.state
        if (returns(op)) unfinished--
        lift(event)
        event = head.next
        if (path.length > longest.length) longest = path.map(({ call }) => call.op)
      } else event = event.next
      if (event !== null || unfinished === 0) continue
    }
    // An operation has returned, or no call is left, and no open operation can come next: undo the last choice.
    const last = path.pop()
    if (last === undefined) return longest
    state = last.state
    configurations.leave(last.call.op)
    if (returns(ops[last.call.op] as Operation<I, O>)) unfinished++
    unlift(last.call)
    event = last.call.next
    // There may be nothing behind the last call: then this choice was the last one too.
    while (event === null) {
      const before = path.pop()
      if (before === undefined) return longest
      state = before.state
      configurations.leave(before.call.op)
      if (returns(ops[before.call.op] as Operation<I, O>)) unfinished++
      unlift(before.call)
      event = before.call.next
    }
  }
  return null
}

/** Whether the operation ends at some time, whatever its outcome. */
function returns<I, O>({ returnedAt }: Operation<I, O>): boolean {
  return Number.isFinite(returnedAt)
}

/** Calls and returns in the order of time; a return and a call at the same time count as concurrent. */
function link<I, O>(ops: Ops<I, O>): Event {
  const events: { at: number; event: Event }[] = []
  ops.forEach((op, i) => {
    const call: Event = { op: i, isCall: true, previous: null, next: null, match: null }
    events.push({ at: op.calledAt, event: call })
    if (!returns(op)) return
    call.match = { op: i, isCall: false, previous: null, next: null, match: null }
    events.push({ at: op.returnedAt, event: call.match })
  })
  events.sort((a, b) => a.at - b.at || Number(b.event.isCall) - Number(a.event.isCall))
  const head: Event = { op: -1, isCall: false, previous: null, next: null, match: null }
  let last = head
  for (const { event } of events) {
    event.previous = last
    last.next = event
    last = event
  }
  return head
}

function lift(call: Event): void {
  unlink(call)
  if (call.match !== null) unlink(call.match)
}

function unlink(event: Event): void {
  if (event.previous !== null) event.previous.next = event.next
  if (event.next !== null) event.next.previous = event.previous
}

/** In the reverse order of {@link lift}. */
function unlift(call: Event): void {
  if (call.match !== null) relink(call.match)
  relink(call)
}

function relink(event: Event): void {
  if (event.previous !== null) event.previous.next = event
  if (event.next !== null) event.next.previous = event
}

/** The set of linearized operations, and every pair of such a set and a state that was tried. */
class Configurations {
  readonly #tried = new Map<string, Uint32Array[]>()
  readonly #set: Uint32Array
  readonly #weights: Uint32Array
  #low = 0
  #high = 0

  constructor(size: number) {
    const random = new Random(size)
    this.#set = new Uint32Array((size + 31) >>> 5)
    this.#weights = Uint32Array.from({ length: 2 * size }, () => random.next() * 2 ** 32)
  }

  /** Adds the operation, unless the resulting set was tried in this state. */
  enter(op: number, state: string): boolean {
    this.#flip(op)
    const key = `${this.#low}:${this.#high}:${state}`
    const tried = this.#tried.get(key)
    if (tried === undefined) this.#tried.set(key, [this.#set.slice()])
    else if (tried.some((set) => set.every((word, i) => word === this.#set[i]))) {
      this.#flip(op)
      return false
    } else tried.push(this.#set.slice())
    return true
  }

  leave(op: number): void {
    this.#flip(op)
  }

  #flip(op: number): void {
    const word = op >>> 5
    this.#set[word] = (this.#set[word] as number) ^ (1 << (op & 31))
    this.#low = (this.#low ^ (this.#weights[2 * op] as number)) >>> 0
    this.#high = (this.#high ^ (this.#weights[2 * op + 1] as number)) >>> 0
  }
}
