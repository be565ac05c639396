import { setTimeout as pause } from 'node:timers/promises'
import type { Body } from '../../src/cli/maelstrom/messages.ts'
import type { Step } from '../../src/machine/list.ts'
import type { Operation } from '../linearizability/history.ts'
import type { RegisterInput, RegisterOutput } from '../linearizability/models.ts'
import type { TransactionOutput } from '../linearizability/transactions.ts'
import type { Random } from '../support/random.ts'
import type { MaelstromNetwork } from './network.ts'

/** Maelstrom's error codes that leave the outcome open; all others mean certainly not done. */
const INDEFINITE: readonly unknown[] = [0, 13]

const PAUSE_MS = 20

export interface LoadOptions {
  readonly network: MaelstromNetwork
  readonly random: Random
  readonly clients: number
  /** Requests of each client, each at a random node. */
  readonly requests: number
}

/** `undefined`: certainly not done, and nothing was learned. `null`: unknown. */
type Reading<O> = O | null | undefined

/**
 * Runs the clients concurrently, each with one request at a time, and returns the history. After a request of unknown
 * outcome a client continues as another process.
 */
async function record<I, O>(
  { network, random, clients, requests }: LoadOptions,
  choose: () => I,
  bodyOf: (input: I) => Body,
  read: (answer: Body) => Reading<O>,
): Promise<Operation<I, O>[]> {
  const history: Operation<I, O>[] = []
  let processes = clients
  const client = async (first: number): Promise<void> => {
    let process = first
    for (let n = 0; n < requests; n++) {
      const input = choose()
      const node = random.pick(network.nodes)
      const calledAt = performance.now()
      const answer = await network.rpc(`c${first + 1}`, node, bodyOf(input))
      const output = INDEFINITE.includes(answer.code) ? null : read(answer)
      if (output === undefined) await pause(PAUSE_MS)
      else if (output === null) {
        history.push({ process, input, output, calledAt, returnedAt: Number.POSITIVE_INFINITY })
        process = processes++
      } else history.push({ process, input, output, calledAt, returnedAt: performance.now() })
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, i) => client(i)))
  return history
}

/** `lin-kv` on one key. */
export function registerLoad(options: LoadOptions, key: number): Promise<Operation<RegisterInput, RegisterOutput>[]> {
  const { random } = options
  const value = () => random.below(5)
  const choose = (): RegisterInput => {
    if (random.chance(0.4)) return { f: 'read' }
    return random.chance(0.5) ? { f: 'write', value: value() } : { f: 'cas', from: value(), to: value() }
  }
  const bodyOf = (input: RegisterInput): Body => {
    if (input.f === 'read') return { type: 'read', key }
    return input.f === 'write'
      ? { type: 'write', key, value: input.value }
      : { type: 'cas', key, from: input.from, to: input.to }
  }
  return record(options, choose, bodyOf, ({ type, code, value }): Reading<RegisterOutput> => {
    if (type === 'read_ok') return { value: value as number }
    if (type === 'write_ok' || type === 'cas_ok') return { ok: true }
    if (code === 22) return { ok: false }
    // The key does not exist yet: a read and a compare-and-set see the same.
    return code === 20 ? { value: null, ok: false } : undefined
  })
}

/**
 * `txn-rw-register` or `txn-list-append`: transactions of one to three steps over a few keys; written values are
 * unique.
 */
export function transactionLoad(
  options: LoadOptions,
  kind: 'w' | 'append',
  keys: readonly number[],
): Promise<Operation<readonly Step[], TransactionOutput>[]> {
  const { random } = options
  let written = 0
  const step = (): Step => (random.chance(0.5) ? ['r', random.pick(keys), null] : [kind, random.pick(keys), ++written])
  const choose = () => Array.from({ length: 1 + random.below(3) }, step)
  return record(
    options,
    choose,
    (txn) => ({ type: 'txn', txn }),
    ({ type, txn }) => (type === 'txn_ok' ? (txn as unknown as Step[]) : undefined),
  )
}
