/** What the tests ask the process of a replica; each question is answered once. */
export type Question = { readonly id: number } & (
  | ({ readonly type: 'propose' } & Proposal)
  | { readonly type: 'report' }
)

/** One request of a session that has one request in flight at a time. */
export interface Proposal {
  readonly session: string
  readonly number: number
  readonly line: string
}

export interface Report {
  /** Lines executed since the process started, including the replay of the journal. */
  readonly lines: number
  readonly stateHash: string
  /** Own instances committed on the fast path and on the slow path, recovered instances, components larger than one. */
  readonly counts: { readonly fast: number; readonly slow: number; readonly recovered: number; readonly cycles: number }
}

export type Answer =
  | { readonly type: 'ready' }
  /** The number of the line among those of its key; null if the request must be repeated. */
  | { readonly type: 'proposed'; readonly id: number; readonly number: number | null }
  | ({ readonly type: 'report'; readonly id: number } & Report)
