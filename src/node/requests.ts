import type { Consistency } from '../codec/client-messages.ts'
import type { ErrorCode, Outcome } from '../errors.ts'
import type { Numbers } from '../metrics/numbers.ts'
import type { ChangeRequest, Members } from './members.ts'
import type { Status } from './status.ts'

/**
 * How a group of commands ended. results.ts describes the layout of `results`; they are valid until the callback
 * returns.
 */
export type Answer =
  | { readonly outcome: 'done'; readonly results: Uint8Array }
  | { readonly outcome: Outcome; readonly code: ErrorCode; readonly message: string }

export type Respond = (answer: Answer) => void

/**
 * What a read may return. `linearizable`: the state after everything that was answered, by any replica, before the read
 * was submitted. It asks a quorum, or goes through the log if a command reads anything but one key. `log`: the same,
 * always through the log. `stale`: the state of this replica, which may lack what was answered elsewhere. `min`: that
 * state as soon as it is at least as new as a token.
 */
export type { Consistency }

/** A backup as a file's bytes. */
export interface Backup {
  /** Of the whole file. */
  readonly bytes: number
  /**
   * The file from its beginning, iterated once; each step reads one chunk. Throws an `EpaxosError` with code `damaged`
   * or `closed`: then the file is of no use.
   */
  readonly pieces: Iterable<Uint8Array>
  /** It was read, or will not be. Closing twice is closing. */
  close(): void
}

export type { ChangeRequest, Members }

/** What a front end (HTTP, the WebSocket of clients, the library) needs of a replica: it sees nothing else of it. */
export interface Requests {
  /** Null while it belongs to no cluster: a joiner. */
  readonly id: number | null
  /** The same at all members of a cluster, different at every other cluster; null until all members know each other. */
  readonly clusterId: string | null
  /** The URL at which clients reach this replica; empty if it advertises none. */
  readonly clientUrl: string
  /**
   * The URLs at which clients reach each member, by row; empty if unknown. The same list until something changes: a
   * URL, the members, or that this replica is {@link Members.leaving}. Another list is told to all clients.
   */
  readonly clientUrls: readonly string[]
  /** Null if the replica takes requests; otherwise why it does not. Only stale and min reads are answered then. */
  readonly notReady: string | null

  /**
   * Submits a group of commands (groups.ts); its bytes are copied. `respond` is called exactly once: at once if the
   * group is refused; with views that are valid until it returns.
   */
  submit(group: Uint8Array, respond: Respond): void

  /**
   * Answers a group of commands that only read. `respond` is called as for {@link submit}; for a stale read before this
   * returns. An empty stale group is answered if the replica is ready. `min` is the token of a `min` read, whose
   * commands each read one key.
   */
  read(group: Uint8Array, consistency: Consistency, respond: Respond, min?: string): void

  /**
   * Names everything that has executed here so far, what is being answered included: a `min` read with this token sees
   * all that, at any replica. Empty before the cluster is founded.
   */
  readonly token: string

  /** The state of this replica may lack what was answered elsewhere in so many last ms; null if that is not known. */
  readonly ageMs: number | null

  /**
   * The state as of one point, after everything that was answered by any replica before this call; `pieces` are the
   * bytes of a file. A checkpoint is taken for it. Rejects with an `EpaxosError`: `not_ready`, `configuration` for
   * durability "memory", `disk_full`, `storage`, or `closed`.
   */
  backup(): Promise<Backup>

  /** Who takes part. Also told by a replica that is not ready. */
  members(): Members

  /**
   * Changes the members (protocol.md §11). Resolves with the new ones when their epoch is decided and durable here.
   *
   * Rejects with an `EpaxosError`, and nothing was changed: `bad_change` for a change that cannot be, `not_ready`,
   * `no_quorum`. Rejects with a `CommandError` whose outcome is unknown if the change may be done.
   * @param force also if fewer than a quorum of the new members are up
   */
  change(change: ChangeRequest, force: boolean): Promise<Members>

  status(): Status

  /** For `GET /metrics`. */
  numbers(): Numbers

  /** Calls `listener` when a server should send the answers that it gathered. Returns a function that ends this. */
  onTurn(listener: () => void): () => void
}
