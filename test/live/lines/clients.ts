import { setTimeout as pause } from 'node:timers/promises'
import { Random } from '../../support/random.ts'
import { until } from '../cluster.ts'
import type { LineCluster } from './cluster.ts'
import type { LineOperation } from './judge.ts'
import type { Proposal } from './messages.ts'

export interface Load {
  /** The prefix of every key and session, so that loads on one cluster use different keys. */
  readonly name?: string
  /** The replicas that get clients, each the same number. */
  readonly proposers: readonly number[]
  /** Of each proposer. */
  readonly commands: number
  /** All lines have one key; otherwise each line has its own key. */
  readonly conflicts: boolean
  /** Each client pauses between two commands, for a random time up to this. */
  readonly pauseMs?: number
  readonly seed: number
}

/** In words, for the title of a test. */
export function describe(proposers: number, conflicts: boolean): string {
  return `${proposers} proposer${proposers === 1 ? '' : 's'}, ${conflicts ? '' : 'no '}conflicts`
}

/** Clients of each proposer; each has a session, and one command in flight. */
const CLIENTS = 32
const RETRY_MS = 10
const LIMIT_MS = 60_000

/** Clients that propose lines until each line has its answer, and record what they see. */
export class Clients {
  readonly history: LineOperation[] = []
  readonly #cluster: LineCluster
  readonly #load: Load
  /** By proposer: how many lines are not proposed yet. */
  readonly #left = new Map<number, number>()
  /** By proposer: the replica that its clients use. */
  readonly #through = new Map<number, number>()
  #running = 0
  #failure: Error | null = null

  constructor(cluster: LineCluster, load: Load) {
    this.#cluster = cluster
    this.#load = load
    for (const proposer of load.proposers) {
      this.#left.set(proposer, load.commands)
      this.#through.set(proposer, proposer)
      for (let client = 0; client < CLIENTS; client++) {
        void this.#start(proposer, proposer * CLIENTS + client)
      }
    }
  }

  /** From now on the clients of the proposer use the replica, also for what they have in flight. */
  move(proposer: number, replica: number): void {
    this.#through.set(proposer, replica)
  }

  /** Proposes nothing new. */
  stop(): void {
    this.#left.clear()
  }

  /** Resolves when `count` commands are answered. */
  answered(count: number): Promise<void> {
    return this.#until(`${count} commands are answered`, () => this.history.length >= count)
  }

  /** Resolves when all commands are answered. */
  done(): Promise<void> {
    return this.#until('all commands are answered', () => this.#running === 0)
  }

  /** The waiting times in ms, ascending, of the commands that the clients of the proposers proposed since then. */
  waits(proposers: readonly number[], since: number): number[] {
    return this.history
      .filter(({ process, calledAt }) => calledAt >= since && proposers.includes(Math.floor(process / CLIENTS)))
      .map(({ calledAt, returnedAt }) => returnedAt - calledAt)
      .sort((a, b) => a - b)
  }

  #until(what: string, condition: () => boolean): Promise<void> {
    return until(what, LIMIT_MS, async () => {
      if (this.#failure !== null) throw this.#failure
      return condition()
    })
  }

  async #start(proposer: number, process: number): Promise<void> {
    this.#running++
    try {
      await this.#run(proposer, process)
      this.#running--
    } catch (error) {
      this.#failure = error as Error
    }
  }

  async #run(proposer: number, process: number): Promise<void> {
    const { name = '', conflicts, pauseMs = 0, seed } = this.#load
    const random = new Random(seed + process)
    for (let number = 1; this.#takeOne(proposer); number++) {
      const line = `${name}${conflicts ? 'hot' : `${process}.${number}`} ${process} says ${number}`
      await this.#propose(proposer, process, { session: `${name}${process}`, number, line })
      if (pauseMs > 0) await pause(random.next() * pauseMs)
    }
  }

  #takeOne(proposer: number): boolean {
    const left = this.#left.get(proposer) ?? 0
    if (left > 0) this.#left.set(proposer, left - 1)
    return left > 0
  }

  async #propose(proposer: number, process: number, proposal: Proposal): Promise<void> {
    const calledAt = performance.now()
    for (;;) {
      const output = await this.#cluster.propose(this.#through.get(proposer) as number, proposal)
      const returnedAt = performance.now()
      if (output !== null) {
        this.history.push({ process, input: proposal.line, output, calledAt, returnedAt })
        return
      }
      await pause(RETRY_MS)
    }
  }
}
