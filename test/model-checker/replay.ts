import { AllFacts } from './facts.ts'
import { deliverText, type Input, textOf } from './inputs.ts'
import { Replica } from './replica.ts'
import type { Bounds } from './system.ts'

/** A step delivers what nobody has sent. */
export class NotInFlight extends Error {}

export interface Replayed {
  /** What the steps violate, '' for nothing. */
  readonly property: string
  /** All that happened, the deliveries that a search makes without saying so included: messages whose answers the next steps need. */
  readonly steps: readonly string[]
}

/** Gives plain replicas the steps of a trace, one after the other, without anything that the search remembers, merges or leaves out. */
export function replay(bounds: Bounds, trace: readonly string[]): Replayed {
  const run = new Run(bounds)
  try {
    for (const text of trace) run.step(text)
  } catch (error) {
    if (error instanceof NotInFlight) throw error
    return { property: (error as Error).message, steps: run.steps }
  }
  return { property: run.violation(), steps: run.steps }
}

interface Sent {
  readonly input: Input
  readonly to: number
}

class Run {
  readonly steps: string[] = []
  readonly #bounds: Bounds
  readonly #replicas: Replica[]
  /** What each replica was given. */
  readonly #given: Input[][]
  readonly #sent = new Map<string, Sent>()
  readonly #facts = new AllFacts()

  constructor(bounds: Bounds) {
    this.#bounds = bounds
    this.#given = Array.from({ length: bounds.replicas }, () => [])
    this.#replicas = this.#given.map((_, id) => this.#fresh(id))
  }

  step(text: string): void {
    const [kind, first, second] = text.split(' ') as [string, string, string | undefined]
    if (kind === 'deliver') return this.#deliver(text)
    const [row, slot] = (second ?? '0.0').split('.').map(Number) as [number, number]
    const input = { kind, text, row, slot, peer: Number(second) } as unknown as Input
    this.#give(Number(first), input)
  }

  violation(): string {
    for (const a of this.#replicas) {
      for (const b of this.#replicas) {
        const verdict = this.#facts.verdict(this.#facts.number(a), this.#facts.number(b))
        if (verdict !== '') return verdict
      }
    }
    return ''
  }

  #fresh(id: number): Replica {
    return new Replica({ ...this.#bounds, restarts: this.#bounds.restarts > 0 }, id)
  }

  #deliver(text: string): void {
    while (!this.#sent.has(text)) this.#answerMore(text)
    const { to, input } = this.#sent.get(text) as Sent
    this.#give(to, input)
  }

  /** Delivers one message whose only effect is an answer that was not there before. */
  #answerMore(wanted: string): void {
    for (const { to, input } of this.#sent.values()) {
      const replica = this.#replicas[to] as Replica
      const trial = this.#fresh(to)
      for (const given of this.#given[to] as Input[]) trial.apply(given)
      const answers = trial.apply(input).map((output) => deliverText(to, output.to, textOf(output.message)))
      if (trial.text() !== replica.text() || answers.every((text) => this.#sent.has(text))) continue
      return this.#give(to, input)
    }
    throw new NotInFlight(`not in flight: ${wanted}`)
  }

  #give(to: number, input: Input): void {
    this.steps.push(input.text)
    ;(this.#given[to] as Input[]).push(input)
    for (const output of (this.#replicas[to] as Replica).apply(input)) {
      const text = deliverText(to, output.to, textOf(output.message))
      if (this.#sent.has(text)) continue
      this.#sent.set(text, { to: output.to, input: { kind: 'deliver', from: to, message: output.message, text } })
    }
  }
}
