import { setTimeout as pause } from 'node:timers/promises'
import { type Client, CommandError, connect } from '../../src/client/index.ts'
import { type Pool, Pools } from '../simulator/workload.ts'
import { type KeyValueAsk, keyValueWorkload } from '../simulator/workload-key-value.ts'
import type { Random } from '../support/random.ts'
import type { KeyValueOperation } from './history-file.ts'

/** Of each client, except the one that only counts. */
const LANES = 2
/**
 * A client with a session gets its answer from any live replica; a client without a session learns at once that an
 * outcome is unknown.
 */
const SESSION_TIMEOUT_MS = 20_000
const PLAIN_TIMEOUT_MS = 3000
/** The longest pause between two operations of a lane. */
const THINK_MS = 12
const REFUSED_PAUSE_MS = 20

/** Keys live long enough to have a history worth judging, and not longer than the checker can judge. */
const KEYS = { pools: [1, 1, 1, 2, 2, 3], hot: 0.3, reads: 0.4, transactions: 0.2, rotateMs: 700 }
const workload = keyValueWorkload(KEYS)

/** The increments of one counter, all made in sessions. */
export interface Count {
  answered: number
  unknown: number
}

/** Clients at every replica, with and without sessions, and the history that they see. */
export class Clients {
  readonly history: KeyValueOperation[] = []
  readonly count: Count = { answered: 0, unknown: 0 }
  /** Certainly not done. */
  refused = 0
  longestMs = 0
  readonly #name: string
  readonly #random: Random
  readonly #pools = new Pools(KEYS)
  readonly #startedAt = performance.now()
  readonly #clients: Client[] = []
  #running: Promise<unknown> = Promise.resolve()
  #ended = false
  #operations = 0

  /**
   * @param urls of two clients each
   * @param name begins every key, so that rounds use different keys
   */
  static async start(urls: readonly (readonly string[])[], random: Random, name: string): Promise<Clients> {
    const clients = new Clients(random, name)
    const sessions: Client[] = []
    for (const own of urls) {
      sessions.push(await connect(own, { requestTimeoutMs: SESSION_TIMEOUT_MS }))
      clients.#clients.push(await connect(own, { session: false, requestTimeoutMs: PLAIN_TIMEOUT_MS }))
    }
    clients.#clients.push(...sessions)
    const lanes = clients.#clients.flatMap((client, process) =>
      Array.from({ length: LANES }, (_, lane) => clients.#load(client, process * LANES + lane)),
    )
    clients.#running = Promise.all([...lanes, ...sessions.map((client) => clients.#increment(client))])
    // The failure is reported when they stop.
    clients.#running.catch(() => {})
    return clients
  }

  private constructor(random: Random, name: string) {
    this.#random = random
    this.#name = name
  }

  /** Starts no new operation; resolves when everything in flight has ended. */
  async stop(): Promise<void> {
    this.#ended = true
    await this.#running
  }

  /** Reads every key that was used, and the counter; returns the counter's value. */
  async readAll(): Promise<number> {
    const client = this.#clients.at(-1) as Client
    const reads = this.#pools.used.map((pool) => this.#pool(pool)).flatMap((pool) => workload.readAll(pool))
    await Promise.all(reads.map((input) => this.#ask(client, -1, input)))
    return Number((await client.get(this.#counter)) ?? 0)
  }

  async close(): Promise<void> {
    this.#ended = true
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  get #counter(): string {
    return `${this.#name}:counter`
  }

  #pool({ name, keys }: Pool): Pool {
    return { name: `${this.#name}:${name}`, keys: keys.map((key) => `${this.#name}:${key}`) }
  }

  async #load(client: Client, process: number): Promise<void> {
    while (!this.#ended) {
      const pool = this.#pool(this.#pools.draw(this.#random, performance.now() - this.#startedAt))
      await this.#ask(client, process, workload.draw(this.#random, pool, `v${++this.#operations}`))
      await pause(this.#random.next() * THINK_MS)
    }
  }

  async #ask(client: Client, process: number, input: KeyValueAsk): Promise<void> {
    const calledAt = performance.now()
    const reads = input.f === 'operation' && 'get' in input.operation
    const result = await this.#outcome(() => client.execute(workload.command(input), { reads }))
    const returnedAt = performance.now()
    if (result === 'refused') return
    if (result === 'unknown') {
      this.history.push({ process, input, output: null, calledAt, returnedAt: Number.POSITIVE_INFINITY })
    } else this.history.push({ process, input, output: workload.output(input, result), calledAt, returnedAt })
  }

  async #increment(client: Client): Promise<void> {
    while (!this.#ended) {
      const result = await this.#outcome(() => client.increment(this.#counter))
      if (result === 'unknown') this.count.unknown++
      else if (result !== 'refused') this.count.answered++
    }
  }

  async #outcome<T>(call: () => Promise<T>): Promise<T | 'unknown' | 'refused'> {
    const calledAt = performance.now()
    try {
      const result = await call()
      this.longestMs = Math.max(this.longestMs, performance.now() - calledAt)
      return result
    } catch (error) {
      // Only its client uses a session, and the session has not ended yet.
      if (!(error instanceof CommandError) || error.code === 'session_expired') throw error
      if (error.outcome === 'unknown') return 'unknown'
      this.refused++
      await pause(REFUSED_PAUSE_MS)
      return 'refused'
    }
  }
}
