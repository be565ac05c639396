import { createHash } from 'node:crypto'
import type { AllFacts } from './facts.ts'
import { deliverText, type Input, textOf } from './inputs.ts'
import { MessageSets } from './message-sets.ts'
import type { Output, Setup } from './replica.ts'
import { isSettled, isSpent } from './settled.ts'
import { newSubject, type Subject } from './subject.ts'
import { PairTable } from './tables.ts'

/** Live replicas kept per row; the others are rebuilt from their inputs. */
const MAX_LIVE = 50_000

/** What the search needs to know about a replica in a local state. */
export interface LocalState {
  readonly parent: number
  /** The input that led here from `parent`. */
  readonly input: number
  readonly facts: number
  /** Own slots in use. */
  readonly slot: number
  readonly crashed: boolean
  readonly doomed: boolean
  /** What it has executed in any of its lives. */
  readonly ever: ReadonlySet<string>
  /** Inputs that end the wait for more answers. */
  readonly expiries: readonly number[]
}

/** The effect of an input on a local state. */
export interface Step {
  readonly input: number
  /** Equal to the state itself if the input only produces answers; -1 for a violation. */
  readonly next: number
  readonly violation: string
  /** By receiver: the set of messages that the input sends. */
  readonly sent: readonly number[]
  readonly silent: boolean
}

/** What a set of messages, all of which may arrive at a replica at any time, means to it in a local state. */
export interface Inbox {
  /** By receiver: everything that is answered without a change of state. */
  readonly answers: readonly number[]
  readonly silent: boolean
  /** The messages that change the state; in a plain search also those that are only answered. */
  readonly moves: readonly Step[]
  /** The messages that can still have an effect, now or later, after they have been answered. */
  readonly rest: number
}

/**
 * All local states that one replica reached, numbered, and the effect of each input on them. The shipped core runs once
 * per local state and input, however many states of the cluster contain that local state: that makes millions of them
 * affordable.
 */
export class LocalStates {
  readonly all: LocalState[] = []
  readonly inputs: Input[] = []
  /** Of messages to this replica. */
  readonly sets = new MessageSets()
  /** Inputs given to the shipped core. */
  runs = 0
  readonly #inputNumbers = new Map<string, number>()
  readonly #numbers = new Map<string, number>()
  readonly #steps: Step[] = []
  readonly #stepNumbers = new PairTable()
  readonly #inboxes: Inbox[] = []
  readonly #inboxNumbers = [new PairTable(), new PairTable()] as const
  readonly #live = new Map<number, Subject>()
  readonly #setup: Setup
  readonly #id: number
  readonly #peers: readonly LocalStates[]
  readonly #facts: AllFacts
  readonly #nothing: readonly number[]

  /** `peers`: the local states of all replicas by id, including this one, filled in later. */
  constructor(setup: Setup, id: number, peers: readonly LocalStates[], facts: AllFacts) {
    this.#setup = setup
    this.#id = id
    this.#peers = peers
    this.#facts = facts
    this.#nothing = Array.from({ length: setup.replicas }, () => 0)
    this.#enter(newSubject(setup, id), -1, -1)
  }

  of(local: number): LocalState {
    return this.all[local] as LocalState
  }

  input(input: Input): number {
    let number = this.#inputNumbers.get(input.text)
    if (number === undefined) {
      number = this.inputs.length
      this.inputs.push(input)
      this.#inputNumbers.set(input.text, number)
    }
    return number
  }

  step(local: number, input: number): Step {
    let number = this.#stepNumbers.get(local, input)
    if (number < 0) {
      number = this.#steps.length
      this.#steps.push(this.#run(local, input))
      this.#stepNumbers.set(local, input, number)
    }
    return this.#steps[number] as Step
  }

  inbox(local: number, set: number, spent: boolean): Inbox {
    const numbers = this.#inboxNumbers[spent ? 1 : 0]
    let number = numbers.get(local, set)
    if (number < 0) {
      number = this.#inboxes.length
      this.#inboxes.push(this.#open(local, set, spent))
      numbers.set(local, set, number)
    }
    return this.#inboxes[number] as Inbox
  }

  #openPlainly(local: number, set: number): Inbox {
    const steps = this.sets.of(set).map((input) => this.step(local, input))
    const moves = steps.filter((step) => step.next !== local || !step.silent)
    return { answers: this.#nothing, silent: true, moves, rest: set }
  }

  #open(local: number, set: number, spent: boolean): Inbox {
    if (this.#setup.plain === true) return this.#openPlainly(local, set)
    const moves = new Map<string, Step>()
    const answers = [...this.#nothing]
    const rest: number[] = []
    for (const input of this.sets.of(set)) {
      const step = this.step(local, input)
      const moved = step.next !== local
      if (!moved && !step.silent) this.#add(answers, step.sent)
      const { message } = this.inputs[input] as Extract<Input, { kind: 'deliver' }>
      const hopeless = isSpent(message, spent) || (!moved && isSettled(this.#borrow(local), message, step.silent))
      if (hopeless) continue
      rest.push(input)
      if (moved) moves.set(`${step.next} ${step.sent} ${step.violation}`, step)
    }
    const silent = answers.every((sent) => sent === 0)
    return { answers, silent, moves: [...moves.values()], rest: this.sets.number(rest) }
  }

  #add(answers: number[], sent: readonly number[]): void {
    for (let to = 0; to < sent.length; to++) {
      answers[to] = (this.#peers[to] as LocalStates).sets.union(answers[to] as number, sent[to] as number)
    }
  }

  #run(local: number, input: number): Step {
    const replica = this.#take(local)
    this.runs++
    try {
      const sent = this.#sent(replica.apply(this.inputs[input] as Input))
      const next = this.#enter(replica, local, input)
      return { input, next, violation: '', sent, silent: sent === this.#nothing }
    } catch (error) {
      return { input, next: -1, violation: (error as Error).message, sent: this.#nothing, silent: true }
    }
  }

  #sent(outputs: readonly Output[]): readonly number[] {
    if (outputs.length === 0) return this.#nothing
    const sent: number[][] = this.#nothing.map(() => [])
    for (const { to, message } of outputs) {
      const text = deliverText(this.#id, to, textOf(message))
      sent[to]?.push((this.#peers[to] as LocalStates).input({ kind: 'deliver', from: this.#id, message, text }))
    }
    return sent.map((messages, to) => (this.#peers[to] as LocalStates).sets.number(messages))
  }

  #enter(replica: Subject, parent: number, input: number): number {
    const facts = this.#facts.number(replica)
    const text = createHash('sha1').update(`${replica.text()}\n${facts}`).digest('base64')
    let number = this.#numbers.get(text)
    if (number === undefined) {
      number = this.all.length
      this.#numbers.set(text, number)
      const { slot, crashed, doomed } = replica
      const expiries = replica.impatient().map(({ row, slot }) => {
        return this.input({ kind: 'expire', row, slot, text: `expire ${this.#id} ${row}.${slot}` })
      })
      const ever = new Set(replica.ever)
      this.all.push({ parent, input, facts, slot, crashed, doomed, ever, expiries: crashed ? [] : expiries })
    }
    this.#keep(number, replica)
    return number
  }

  #keep(number: number, replica: Subject): void {
    if (this.#live.has(number)) return
    if (this.#live.size >= MAX_LIVE) {
      const [oldest] = this.#live.keys()
      this.#live.delete(oldest as number)
    }
    this.#live.set(number, replica)
  }

  /** A live replica in the local state, to read only. */
  #borrow(local: number): Subject {
    const replica = this.#take(local)
    this.#keep(local, replica)
    return replica
  }

  #take(local: number): Subject {
    const live = this.#live.get(local)
    if (live !== undefined) {
      this.#live.delete(local)
      return live
    }
    const inputs: number[] = []
    for (let at = local; at > 0; at = this.of(at).parent) inputs.push(this.of(at).input)
    const replica = newSubject(this.#setup, this.#id)
    for (const input of inputs.reverse()) replica.apply(this.inputs[input] as Input)
    return replica
  }
}
