/**
 * The cost of a command, or an instance, beside its bytes: the number of bytes that are copied in about the same time.
 */
export const COMMAND_WORK = 1024

/** How many commands are executed between two checks of the clock. */
const LOOK_EVERY = 32

export interface BudgetLimits {
  /** In bytes of commands and of results; each command and each instance adds {@link COMMAND_WORK}. */
  readonly work: number
  /** For machines whose commands take longer than their bytes suggest. */
  readonly ms: number
  /** In ms. */
  readonly now: () => number
}

/**
 * How much is executed in one turn of the event loop. Peers are heard and answered between two turns, however much
 * there is to execute. Where a slice ends does not change the results, so replicas need not agree on it.
 */
export class Budget {
  readonly #limits: BudgetLimits
  #left = 0
  #endMs = 0
  #looks = 0

  constructor(limits: BudgetLimits) {
    this.#limits = limits
    this.renew()
  }

  /** A new turn begins. */
  renew(): void {
    this.#left = this.#limits.work
    this.#endMs = this.#limits.now() + this.#limits.ms
    this.#looks = 0
  }

  get spent(): boolean {
    return this.#left <= 0
  }

  /** A command was executed, or an instance was begun. */
  spend(bytes: number): void {
    this.#left -= COMMAND_WORK + bytes
    if (++this.#looks % LOOK_EVERY === 0 && this.#limits.now() >= this.#endMs) this.#left = 0
  }
}

/** For callers without an event loop. */
export const UNLIMITED = new Budget({
  work: Number.POSITIVE_INFINITY,
  ms: Number.POSITIVE_INFINITY,
  now: () => 0,
})
