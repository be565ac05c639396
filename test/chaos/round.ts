import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { check } from '../linearizability/checker.ts'
import { keyValueModel } from '../simulator/key-value-model.ts'
import { Clients } from './clients.ts'
import { type Arena, FAULTS } from './faults.ts'
import { writeHistory } from './history-file.ts'

export interface RoundOptions {
  readonly name: string
  /** By name. */
  readonly faults: readonly string[]
  /** Where its history is written. */
  readonly folder: string
}

export interface Round {
  readonly operations: number
  readonly unknown: number
  readonly refused: number
  readonly increments: number
  readonly longestMs: number
}

/** A promise of the product was broken. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

/** How long replicas may take to reach the same state once all faults are gone. */
export const CONVERGE_MS = 20_000

/**
 * Clients work while faults come and go. Then everything is healed: all open operations must end, all replicas must
 * reach the same state, and what the clients saw must be linearizable. Throws a {@link Violation} otherwise.
 */
export async function playRound(arena: Arena, { name, faults, folder }: RoundOptions): Promise<Round> {
  const { cluster, random } = arena
  const urls = cluster.ids.map((id) => cluster.urls(id))
  const clients = await Clients.start(urls, random, name)
  const history = join(folder, `${name}.jsonl`)
  try {
    for (const fault of faults) {
      await pause(random.next() * 1000)
      await FAULTS[fault]?.(arena)
    }
    await promised('every replica is ready again', () => cluster.allReady())
    await clients.stop()
    const { crashes } = cluster
    if (crashes.length > 0) throw new Violation(crashes.join('\n'))
    await promised('all replicas execute the same', () => cluster.converged(CONVERGE_MS))
    const counter = await clients.readAll()
    writeHistory(history, clients.history)
    judge(clients, counter)
    await promised('all replicas have executed the same', () => cluster.converged(CONVERGE_MS))
  } catch (error) {
    writeHistory(history, clients.history)
    if (error instanceof Violation) error.message += `\nthe history: ${history}`
    throw error
  } finally {
    await clients.close()
  }
  return roundOf(clients)
}

export function roundOf(clients: Clients): Round {
  const unknown = clients.history.filter(({ output }) => output === null).length
  const { refused, longestMs, count } = clients
  return { operations: clients.history.length, unknown, refused, increments: count.answered, longestMs }
}

/** What the clients saw, and the value of their counter. */
export function judge({ history, count }: Clients, counter: number): void {
  if (counter < count.answered || counter > count.answered + count.unknown) {
    throw new Violation(
      `${count.answered} increments were answered, ${count.unknown} are unknown, the counter is ${counter}`,
    )
  }
  const verdict = check(keyValueModel, history)
  if (!verdict.linearizable) throw new Violation(`not linearizable:\n${verdict.window}`)
}

export async function promised(what: string, wait: () => Promise<void>): Promise<void> {
  try {
    await wait()
  } catch (error) {
    throw new Violation(`${what}: ${(error as Error).message}`, { cause: error })
  }
}
