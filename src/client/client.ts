import { CommandError, EpaxosError, ErrorCode } from '../errors.ts'
import { Outcome, readResult, readTransactionResult } from '../machine/command-results.ts'
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
import type { Pipeline } from './pipeline.ts'
import { type OperationResult, operationResult, utf8 } from './results.ts'

export interface ReadOptions {
  /** `linearizable` (default): what was written before is read. `stale`: what one replica has at the moment, without asking the others. */
  readonly consistency?: 'linearizable' | 'stale'
}

export interface ExecuteOptions extends ReadOptions {
  /** The command changes nothing, so that it may be sent any number of times. */
  readonly reads?: boolean
}

export interface TransactionAnswer {
  /** All conditions held, and `then` was done; otherwise `else` was. */
  readonly succeeded: boolean
  /** One for each operation of that branch. */
  readonly results: readonly OperationResult[]
}

/**
 * A client of the key-value store, or by {@link execute} of any state machine. Made by `connect`. Calls are pipelined: there is no need to wait for one
 * before the next, and those of one turn travel together.
 *
 * Every method rejects with a `CommandError` whose `outcome` says what is certain: `refused`, it is not done; `unknown`, it may be done, or be done
 * later. Its codes: `timeout`, `not_ready`, `foreign_cluster`, `busy`, `disk_full`, `closed`, `session_expired`, `bad_command`, `too_large`.
 * Keys have 1 to 1024 bytes, values up to 1 MiB; a string stands for its UTF-8.
 */
export class Client {
  readonly #pipeline: Pipeline

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline
  }

  /** The cluster that this client belongs to: give it to `connect` as `clusterId` to meet no other one the next time. */
  get clusterId(): string {
    return this.#pipeline.clusterId
  }

  async put(key: Bytes, value: Bytes): Promise<void> {
    return this.#update(
      () => putCommand(key, value),
      (result) => void done(result),
    )
  }

  /** The value as text; null where there is none. Rejects with code `malformed` where it is no UTF-8: {@link getBytes}. */
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

  /** The value; null where there is none. */
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

  /** Whether there was such a key. */
  async delete(key: Bytes): Promise<boolean> {
    return this.#update(
      () => deleteCommand(key),
      (result) => done(result).outcome === Outcome.done,
    )
  }

  /**
   * Adds `by` to a counter, its decimal digits in ASCII, absent counts as 0; the new number. Rejects with code `not_counter` where the value
   * is none, or the sum is beyond ±(2⁵³−1).
   */
  async increment(key: Bytes, by = 1): Promise<number> {
    return this.#update(
      () => incrementCommand(key, by),
      (result) => Number(utf8(done(result).value)),
    )
  }

  /** Sets the key to `value` if its value is `expected`, or if it is absent where that is null; whether it was. */
  async compareAndSet(key: Bytes, expected: Bytes | null, value: Bytes): Promise<boolean> {
    const command = () => compareAndSetCommand(key, expected, value)
    return this.#update(command, (result) => done(result).outcome === Outcome.done)
  }

  /** Does `then` where all conditions hold, `else` otherwise, atomically over all keys. Rejects as {@link increment} does: then nothing is changed. */
  async transaction(transaction: Transaction): Promise<TransactionAnswer> {
    const reads = branches(transaction).every((operation) => 'get' in operation)
    return this.#pipeline.execute(
      built(() => transactionCommand(transaction)),
      reads,
      false,
      (bytes) => {
        const { outcome, succeeded, results, failedAt } = readTransactionResult(bytes)
        if (outcome !== Outcome.done) throw notDone(outcome, `: operation ${failedAt}, nothing was changed`)
        const operations = (succeeded ? transaction.then : transaction.else) ?? []
        return { succeeded, results: results.map((result, i) => operationResult(operations[i] as Operation, result)) }
      },
    )
  }

  /** Executes a command of any state machine, bytes to bytes. */
  async execute(command: Uint8Array, options: ExecuteOptions = {}): Promise<Uint8Array> {
    const stale = isStale(options)
    return this.#pipeline.execute(command, stale || options.reads === true, stale, (result) => result.slice())
  }

  /** Waits for what is under way, ends the session, and hangs up. */
  close(): Promise<void> {
    return this.#pipeline.close()
  }

  #update<Result>(build: () => Uint8Array, parse: (result: Uint8Array) => Result): Promise<Result> {
    return this.#pipeline.execute(built(build), false, false, parse)
  }

  #read<Result>(build: () => Uint8Array, options: ReadOptions, parse: (result: Uint8Array) => Result): Promise<Result> {
    return this.#pipeline.execute(built(build), true, isStale(options), parse)
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

function isStale({ consistency = 'linearizable' }: ReadOptions): boolean {
  if (consistency === 'linearizable' || consistency === 'stale') return consistency === 'stale'
  throw new EpaxosError('configuration', `consistency is linearizable or stale, not ${consistency}`)
}

function branches(transaction: Transaction): readonly Operation[] {
  return [...(transaction.then ?? []), ...(transaction.else ?? [])]
}

/** The result of a command that was applied: done, absent or unmet. */
function done(bytes: Uint8Array): ReturnType<typeof readResult> {
  const result = readResult(bytes)
  const { outcome } = result
  if (outcome === Outcome.done || outcome === Outcome.absent || outcome === Outcome.unmet) return result
  throw notDone(outcome, '')
}

function notDone(outcome: Outcome, where: string): CommandError {
  if (outcome === Outcome.notCounter) {
    const why = `the value is no counter, or the sum is beyond ±(2⁵³−1)${where}`
    return new CommandError(ErrorCode.notCounter, 'refused', why)
  }
  if (outcome === Outcome.tooLarge) {
    return new CommandError(ErrorCode.tooLarge, 'refused', `the results are too large${where}`)
  }
  return new CommandError(ErrorCode.badCommand, 'refused', 'the command cannot be applied')
}
