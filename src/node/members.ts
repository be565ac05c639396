export { MAX_MEMBER_ID } from '../protocol/membership.ts'

/** Who takes part in the current epoch, as one replica sees it. */
export interface Members {
  readonly epoch: number
  /** The id of the next replica that joins. Ids are never used twice. */
  readonly nextId: number
  /** By row. */
  readonly members: readonly {
    readonly id: number
    /** Where it listens for the other members, `HOST:PORT`. */
    readonly address: string
    /** Where clients reach it; empty if unknown. */
    readonly client: string
    readonly up: boolean
  }[]
  /** Replicas that were removed because they stayed away, and may come back by themselves as new members. */
  readonly mayReturn: readonly number[]
  /** Whether this replica was removed, and still serves what the others need of it. */
  readonly leaving: boolean
}

/** One change of the members. Addresses are where a replica listens for the members, `HOST:PORT`. */
export type ChangeRequest =
  /** `returning`: the id under which it was removed because it stayed away, if it comes back by itself. */
  | { readonly kind: 'add'; readonly address: string; readonly returning?: number }
  /** `mayReturn`: it is removed because it stays away, and may come back by itself. */
  | { readonly kind: 'remove'; readonly id: number; readonly mayReturn?: boolean }
  /** One step: the member `id` goes, the replica at the address comes. */
  | { readonly kind: 'replace'; readonly id: number; readonly address: string }
