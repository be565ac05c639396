import type { DemoProcess } from './processes.ts'

const RETRY_MS = 50

/** One session: proposes its lines through a process, a fixed number at a time, each until it is done. */
export class Proposer {
  readonly session: string
  readonly lines: readonly string[]
  readonly done: Promise<void>
  readonly #outstanding: number
  readonly #open = new Set<number>()
  /** Answered beyond {@link #acknowledged}. */
  readonly #answered = new Set<number>()
  #through: DemoProcess
  /** How many of its lines may be proposed for now. */
  #allowed: number
  #next = 1
  #acknowledged = 0
  #allDone: () => void = () => {}

  /** @param allowed the fraction of lines that may be proposed before {@link allowAll} */
  constructor(session: string, count: number, outstanding: number, through: DemoProcess, allowed: number) {
    this.session = session
    this.lines = Array.from({ length: count }, (_, i) => `${session} says ${i + 1}`)
    this.#outstanding = outstanding
    this.#through = through
    this.#allowed = Math.floor(count * allowed)
    this.done = new Promise((resolve) => {
      this.#allDone = resolve
    })
  }

  get answered(): number {
    return this.#acknowledged + this.#answered.size
  }

  /** From now on uses this process. Proposes unanswered lines again there, under their old numbers. */
  use(process: DemoProcess): void {
    this.#through = process
    for (const number of this.#open) this.#propose(number)
    this.#fill()
  }

  allowAll(): void {
    this.#allowed = this.lines.length
    this.#fill()
  }

  onAnswer(number: number, problem: string | null): void {
    if (!this.#open.has(number)) return
    if (problem !== null) {
      setTimeout(() => this.#open.has(number) && this.#propose(number), RETRY_MS)
      return
    }
    this.#open.delete(number)
    this.#answered.add(number)
    while (this.#answered.delete(this.#acknowledged + 1)) this.#acknowledged++
    if (this.#acknowledged === this.lines.length) this.#allDone()
    this.#fill()
  }

  #fill(): void {
    while (this.#open.size < this.#outstanding && this.#next <= this.#allowed) {
      this.#open.add(this.#next)
      this.#propose(this.#next++)
    }
  }

  #propose(number: number): void {
    const line = this.lines[number - 1] as string
    const { session } = this
    this.#through.say({ type: 'propose', session, number, acknowledged: this.#acknowledged, line })
  }
}
