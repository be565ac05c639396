import { CONSISTENCIES } from '../codec/client-messages.ts'
import { CommandError, EpaxosError } from '../errors.ts'
import { failureOf, Outcome, readResult, readTransactionResult } from '../machine/command-results.ts'
import {
  type Bytes,
  compareAndSetCommand,
  deleteCommand,
  getCommand,
  incrementCommand,
  type Operation,
  putCommand,
  type Transaction,
  transactionCommand,
} from '../machine/commands.ts'
import { type How, LOG } from './group.ts'
import type { Pipeline } from './pipeline.ts'
import { type OperationResult, operationResult, utf8 } from './results.ts'

export interface ReadOptions {
  /**
   * - `linearizable` (default): the read sees everything that was answered before, by any replica. It asks a quorum.
   * - `log`: the same, as a command in the log.
   * - `stale`: the current value at one replica, which does not ask the others and may lack what they answered.
   * - `min`: the value at one replica as soon as it is as new as `token`. It asks nobody.
   */
  readonly consistency?: 'linearizable' | 'log' | 'stale' | 'min'
  /** Of a `min` read: {@link Client.token} of this or another client; by default of this one. */
  readonly token?: string
}

/** A value, and how new it is. */
export interface ReadAnswer {
  /** Null if there is none. */
  readonly value: Uint8Array | null
  /** A `min` read with this token sees everything that this read saw. */
  readonly token: string
  /**
   * Of a stale read: it may lack what other replicas answered in so many last ms; null if that is not known. Of any
   * other read: null.
   */
  readonly ageMs: number | null
}

export interface ExecuteOptions extends ReadOptions {
  /** The command changes nothing, so it may be sent any number of times. */
  readonly reads?: boolean
}

export interface TransactionAnswer {
  /** True: all conditions held, and `then` was done. False: `else` was done. */
  readonly succeeded: boolean
  /** One for each operation of that branch. */
  readonly results: readonly OperationResult[]
}

/**
 * A client of the key-value store; with {@link execute} of any state machine. Made by `connect`. Calls are pipelined:
 * there is no need to wait for one before the next, and the calls of one turn travel together.
 *
 * Every method rejects with a `CommandError` whose `outcome` says what is certain: `refused`, it is not done;
 * `unknown`, it may be done, now or later. Its codes: `timeout`, `not_ready`, `foreign_cluster`, `busy`, `disk_full`,
 * `closed`, `session_expired`, `result_gone`, `bad_command`, `too_large`. Keys have 1 to 1024 bytes, values up to 1
 * MiB; a string is encoded as UTF-8.
 */
export class Client {
  readonly #pipeline: Pipeline

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline
  }

  /**
   * The cluster that this client belongs to. Pass it to `connect` as `clusterId` to use no other cluster the next time.
   */
  get clusterId(): string {
    return this.#pipeline.clusterId
  }

  /**
   * Names everything that the answers to this client have done and shown. A `min` read with this token sees all that,
   * at any replica and in any client; empty before the first answer. The text may travel in HTTP headers.
   */
  get token(): string {
    return this.#pipeline.token
  }

  async put(key: Bytes, value: Bytes): Promise<void> {
    return this.#update(
      () => putCommand(key, value),
      (result) => void done(result),
    )
  }

  /**
   * The value as text; null if there is none. Rejects with code `malformed` if it is not UTF-8: see {@link getBytes}.
   */
  async get(key: Bytes, options: ReadOptions = {}): Promise<string | null> {
    return this.#read(
      () => getCommand(key),
      options,
      (result) => {
        const { outcome, value } = readResult(result)
        return outcome === Outcome.absent ? null : utf8(value)
      },
    )
  }

  /** The value; null if there is none. */
  async getBytes(key: Bytes, options: ReadOptions = {}): Promise<Uint8Array | null> {
    return this.#read(
      () => getCommand(key),
      options,
      (result) => {
        const { outcome, value } = readResult(result)
        return outcome === Outcome.absent ? null : value.slice()
      },
    )
  }

  /** Like {@link getBytes}; says how new the value is. */
  async read(key: Bytes, options: ReadOptions = {}): Promise<ReadAnswer> {
    return this.#read(
      () => getCommand(key),
      options,
      (result) => {
        const { outcome, value } = readResult(result)
        const { token, ageMs } = this.#pipeline.answered
        return { value: outcome === Outcome.absent ? null : value.slice(), token, ageMs }
      },
    )
  }

  /** Resolves with whether the key existed. */
  async delete(key: Bytes): Promise<boolean> {
    return this.#update(
      () => deleteCommand(key),
      (result) => done(result).outcome === Outcome.done,
    )
  }

  /**
   * Adds `by` to a counter and resolves with the new number. A counter is decimal digits in ASCII; an absent key counts
   * as 0. Rejects with code `not_counter` if the value is not a counter, or the sum is beyond ±(2⁵³−1).
   */
  async increment(key: Bytes, by = 1): Promise<number> {
    return this.#update(
      () => incrementCommand(key, by),
      (result) => Number(utf8(done(result).value)),
    )
  }

  /**
   * Sets the key to `value` if it has the value `expected`, or if `expected` is null and the key is absent. Resolves
   * with whether it did.
   */
  async compareAndSet(key: Bytes, expected: Bytes | null, value: Bytes): Promise<boolean> {
    const command = () => compareAndSetCommand(key, expected, value)
    return this.#update(command, (result) => done(result).outcome === Outcome.done)
  }

  /**
   * Does `then` if all conditions hold, `else` otherwise, atomically over all keys. Rejects like {@link increment};
   * nothing changes then.
   */
  async transaction(transaction: Transaction): Promise<TransactionAnswer> {
    const reads = branches(transaction).every((operation) => 'get' in operation)
    return this.#pipeline.execute(
      built(() => transactionCommand(transaction)),
      reads,
      LOG,
      (bytes) => {
        const { outcome, succeeded, results, failedAt } = readTransactionResult(bytes)
        const failure = failureOf(outcome, `: operation ${failedAt}, nothing was changed`)
        if (failure !== null) throw failure
        const operations = (succeeded ? transaction.then : transaction.else) ?? []
        return { succeeded, results: results.map((result, i) => operationResult(operations[i] as Operation, result)) }
      },
    )
  }

  /** Executes a command of any state machine, bytes to bytes. */
  async execute(command: Uint8Array, options: ExecuteOptions = {}): Promise<Uint8Array> {
    const { consistency, reads = consistency === 'stale' || consistency === 'min' } = options
    const how = reads ? this.#how(options) : LOG
    return this.#pipeline.execute(command, reads, how, (result) => result.slice())
  }

  /** Waits for the calls in flight, ends the session, and closes the link. */
  close(): Promise<void> {
    return this.#pipeline.close()
  }

  #update<Result>(build: () => Uint8Array, parse: (result: Uint8Array) => Result): Promise<Result> {
    return this.#pipeline.execute(built(build), false, LOG, parse)
  }

  #read<Result>(build: () => Uint8Array, options: ReadOptions, parse: (result: Uint8Array) => Result): Promise<Result> {
    return this.#pipeline.execute(built(build), true, this.#how(options), parse)
  }

  #how({ consistency = 'linearizable', token }: ReadOptions): How {
    if (!CONSISTENCIES.includes(consistency)) {
      throw new EpaxosError('configuration', `consistency is ${CONSISTENCIES.join(', ')}, not ${consistency}`)
    }
    if (consistency !== 'min') return { consistency, min: '' }
    const min = token ?? this.token
    // Nothing was seen: any state is as new as that.
    return min === '' ? { consistency: 'stale', min } : { consistency, min }
  }
}

/** A command that the builders refuse was certainly not done. */
function built(build: () => Uint8Array): Uint8Array {
  try {
    return build()
  } catch (error) {
    if (!(error instanceof EpaxosError)) throw error
    throw new CommandError(error.code, 'refused', error.message)
  }
}

function branches(transaction: Transaction): readonly Operation[] {
  return [...(transaction.then ?? []), ...(transaction.else ?? [])]
}

/** The result of a command that was applied: done, absent or unmet. */
function done(bytes: Uint8Array): ReturnType<typeof readResult> {
  const result = readResult(bytes)
  const failure = failureOf(result.outcome)
  if (failure !== null) throw failure
  return result
}
