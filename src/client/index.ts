import { EpaxosError } from '../errors.ts'
import { MAX_SESSION_ID_BYTES } from '../execution/groups.ts'
import { Client } from './client.ts'
import type { ConnectionOptions } from './connection.ts'
import { Pipeline, type PipelineOptions } from './pipeline.ts'

export { CommandError, EpaxosError, ErrorCode, type Outcome } from '../errors.ts'
export { encodeGroup, type GroupOptions } from '../execution/groups.ts'
export { ResultReader, Status as ResultStatus } from '../execution/results.ts'
export type { Bytes, Condition, Operation, Transaction } from '../machine/commands.ts'
export type { Client, ExecuteOptions, ReadAnswer, ReadOptions, TransactionAnswer } from './client.ts'
export { Connection, type ConnectionOptions, type GroupAnswer } from './connection.ts'
export type { OperationResult } from './results.ts'

export interface ConnectOptions extends ConnectionOptions {
  /**
   * With a session (default) each command is done once, however often it was sent. The cluster opens and names the
   * session, and closing the client ends it. If the replicas close it earlier, because all sessions together keep too
   * much, another session replaces it. Your own session name is for programs that remember their last request: two
   * clients must not use it at the same time, no request number may be used twice, and it is not ended. Without a
   * session (`false`) an update whose answer was lost is not sent again.
   */
  readonly session?: boolean | string
  /**
   * The number of the first request of a session with your own name; each update takes one number, and each command
   * that goes through the log with it. Default 1.
   */
  readonly firstRequest?: number
  /** Whether the client learns the URLs of other replicas. Default true; with false it uses only the given URLs. */
  readonly learn?: boolean
  /** After this time a command is given up. Default 10 000. */
  readonly requestTimeoutMs?: number
}

/**
 * Connects to a cluster, in Node and in browsers. The URLs, `ws://HOST:PORT` (or http, wss, https), name one or more
 * replicas, from which the client learns the others. It uses one of them; when that fails, the next one takes over, and
 * unanswered commands go there.
 *
 * The client belongs to the cluster that it meets first, or to the one that `clusterId` names, and sends nothing to any
 * other cluster, wherever an address leads later. A client that came by `wss` never follows a learned URL without TLS.
 *
 * Rejects with an `EpaxosError`: `configuration`, `unreachable` if no replica of `urls` answers, `unauthorized`,
 * `foreign_cluster`, `not_ready` if the cluster is not founded yet.
 */
export async function connect(urls: string | readonly string[], options: ConnectOptions = {}): Promise<Client> {
  const { session = true, firstRequest = 1, learn = true, requestTimeoutMs = 10_000, ...connection } = options
  const pipeline = new Pipeline(typeof urls === 'string' ? [urls] : urls, {
    ...connection,
    learn,
    session: sessionName(session),
    firstRequest: positive('firstRequest', firstRequest),
    requestTimeoutMs: positive('requestTimeoutMs', requestTimeoutMs),
  })
  await pipeline.open()
  return new Client(pipeline)
}

function sessionName(session: boolean | string): PipelineOptions['session'] {
  if (session === false) return null
  if (session === true) return true
  const { length } = new TextEncoder().encode(session)
  if (length >= 1 && length <= MAX_SESSION_ID_BYTES) return session
  throw new EpaxosError('configuration', `a session's name has 1 to ${MAX_SESSION_ID_BYTES} bytes, not ${length}`)
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw new EpaxosError('configuration', `${name} is a whole number from 1, not ${value}`)
}
