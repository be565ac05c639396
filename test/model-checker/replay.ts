import { AllFacts } from './facts.ts'
import { deliverText, type Input, textOf } from './inputs.ts'
import type { Output } from './replica.ts'
import { newSubject, type Subject } from './subject.ts'
import type { Bounds } from './system.ts'

/** A step delivers a message that nobody has sent. */
export class NotInFlight extends Error {}

export interface Replayed {
  /** The property that the steps violate, '' for none. */
  readonly property: string
  /** What happened. It includes deliveries that the search makes implicitly, if a later step needs their answers. */
  readonly steps: readonly string[]
}

/**
 * Gives the steps of a trace to plain replicas, one after the other, without anything that the search remembers, merges
 * or drops. As in the search, answers that do not change the answering replica are given at once.
 */
export function replay(bounds: Bounds, trace: readonly string[]): Replayed {
  const run = new Run(bounds)
  let property = ''
  try {
    for (const text of trace) run.step(text)
    property = run.violation()
  } catch (error) {
    if (error instanceof NotInFlight) throw error
    property = (error as Error).message
  }
  return { property, steps: needed(run.done) }
}

/** Without the answers that nobody hears. */
function needed(done: readonly Done[]): string[] {
  const heard = new Set<string>()
  const kept = [...done].reverse().filter(({ text, asked, sent }) => {
    const keep = asked || sent.some((message) => heard.has(message))
    if (keep) heard.add(text)
    return keep
  })
  return kept.reverse().map(({ text }) => text)
}

interface Done {
  readonly text: string
  /** A step of the trace. */
  readonly asked: boolean
  /** The messages that had not been sent before. */
  readonly sent: string[]
}

interface Sent {
  readonly input: Input
  readonly to: number
}

class Run {
  readonly done: Done[] = []
  readonly #bounds: Bounds
  readonly #replicas: Subject[]
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
    if (kind === 'deliver') {
      const sent = this.#sent.get(text)
      if (sent === undefined) throw new NotInFlight(`not in flight: ${text}`)
      this.#give(sent.to, sent.input, true)
    } else {
      const [row, slot] = (second ?? '0.0').split('.').map(Number) as [number, number]
      const mustSee = (second ?? '').split(',').filter((name) => name !== '')
      this.#give(Number(first), { kind, text, row, slot, peer: Number(second), mustSee } as unknown as Input, true)
    }
    for (let more = this.#answer(); more !== null; more = this.#answer()) this.#give(more.to, more.input, false)
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

  #fresh(id: number): Subject {
    return newSubject({ ...this.#bounds, restarts: this.#bounds.restarts > 0 }, id)
  }

  /** A message that changes nothing where it arrives, and produces an answer that was not sent before. */
  #answer(): Sent | null {
    for (const sent of this.#sent.values()) {
      const answers = this.#answersTo(sent)
      if (answers.some((text) => !this.#sent.has(text))) return sent
    }
    return null
  }

  #answersTo({ to, input }: Sent): string[] {
    const trial = this.#fresh(to)
    for (const given of this.#given[to] as Input[]) trial.apply(given)
    const before = trial.text()
    try {
      const answers = trial.apply(input)
      return trial.text() === before ? answers.map((output) => textOfOutput(to, output)) : []
    } catch {
      // A violation is a step of its own.
      return []
    }
  }

  #give(to: number, input: Input, asked: boolean): void {
    const sent: string[] = []
    this.done.push({ text: input.text, asked, sent })
    ;(this.#given[to] as Input[]).push(input)
    for (const output of (this.#replicas[to] as Subject).apply(input)) {
      const text = textOfOutput(to, output)
      if (this.#sent.has(text)) continue
      sent.push(text)
      this.#sent.set(text, { to: output.to, input: { kind: 'deliver', from: to, message: output.message, text } })
    }
  }
}

function textOfOutput(from: number, { to, message }: Output): string {
  return deliverText(from, to, textOf(message))
}
