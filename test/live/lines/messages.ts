/** What the tests ask of a replica's process; each is answered once. */
export type Question = { readonly id: number } & (
  | ({ readonly type: 'propose' } & Proposal)
  | { readonly type: 'report' }
)

/** One request of a session that has one under way at a time. */
export interface Proposal {
  readonly session: string
  readonly number: number
  readonly line: string
}

export interface Report {
  /** Executed since the process started, the journal's replay included. */
  readonly lines: number
  readonly stateHash: string
  /** Own instances that were committed on the fast and on the slow path, instances that were recovered, components larger than one. */
  readonly counts: { readonly fast: number; readonly slow: number; readonly recovered: number; readonly cycles: number }
}

export type Answer =
  | { readonly type: 'ready' }
  /** The line's number among those of its key; null where the request is to be repeated. */
  | { readonly type: 'proposed'; readonly id: number; readonly number: number | null }
  | ({ readonly type: 'report'; readonly id: number } & Report)
