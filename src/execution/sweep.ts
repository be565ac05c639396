import type { Session } from './session.ts'

/** How much all sessions together may keep. */
export interface Limits {
  /** Results, including the cost of each beside its bytes. */
  readonly bytes: number
  /** Request numbers that were executed and are not acknowledged. */
  readonly numbers: number
  /** Open sessions. */
  readonly sessions: number
  /** Names of closed sessions. */
  readonly tombstones: number
}

/**
 * Results: 256 MiB. Numbers: up to 200 MiB if they lie far apart. Sessions: up to 100 MiB. Tombstones: up to 150 MiB.
 */
export const SESSION_LIMITS: Limits = { bytes: 256 << 20, numbers: 1 << 22, sessions: 1 << 17, tombstones: 1 << 20 }

/**
 * A sweep makes room above this share of a limit, down to this share, so that there is room for what executes
 * meanwhile.
 */
const FULL = 3 / 4
const LEFT = 1 / 2

/** A generation is this share of a limit: a session that was not used for some generations is idle. */
const GENERATION = 1 / 8

/** Names of sessions that a sweep changed, in the order of the changes. */
export interface Swept {
  /** Their results are forgotten: a repetition is answered as done, without its result. */
  readonly forgotten: readonly string[]
  /** Everything unacknowledged is forgotten up to their highest number: a repetition is answered as expired. */
  readonly cut: readonly string[]
  /** They are closed. */
  readonly expired: readonly string[]
}

/** What a sweep sees of the table of sessions. */
interface Table {
  readonly limits: Limits
  readonly kept: Limits
  expire(id: string): void
  leavesTombstone(id: string): boolean
  beforeChange(id: string, session: Session): void
}

/** Whether a sweep would make room. */
export function isFull({ kept, limits }: Pick<Table, 'kept' | 'limits'>): boolean {
  return exceeds(kept, limits, FULL)
}

/** Whether sessions keep more than allowed: none is updated. */
export function isOverfull({ kept, limits }: Pick<Table, 'kept' | 'limits'>): boolean {
  return kept.bytes > limits.bytes || kept.numbers > limits.numbers
}

/** Whether there are more names than allowed: no session is opened, nor closed by its client. */
export function isCrowded({ kept, limits }: Pick<Table, 'kept' | 'limits'>): boolean {
  return kept.sessions > limits.sessions || kept.tombstones > limits.tombstones
}

/** Whether so much was added since `before` that a new generation is due. */
export function isGenerationDue({ kept, limits }: Pick<Table, 'kept' | 'limits'>, before: Contents): boolean {
  const come = {
    bytes: kept.bytes - before.bytes,
    numbers: kept.numbers - before.numbers,
    sessions: kept.sessions - before.sessions,
  }
  return exceeds(come, limits, GENERATION)
}

/** What a sweep can make room for. */
export type Contents = Omit<Limits, 'tombstones'>

function exceeds(kept: Contents, limits: Limits, share: number): boolean {
  const { bytes, numbers, sessions } = kept
  return bytes > share * limits.bytes || numbers > share * limits.numbers || sessions > share * limits.sessions
}

/**
 * Makes room in a full table: forgets results, cuts unacknowledged numbers off sessions, closes sessions. It begins
 * with the sessions that were not used for the longest time, and among these with those that keep most. What it does
 * depends only on the table, not on the order in which its sessions came.
 */
export function sweepSessions(table: Table, open: Iterable<readonly [string, Session]>): Swept {
  const swept = { forgotten: [] as string[], cut: [] as string[], expired: [] as string[] }
  const { limits } = table
  let sessions: (readonly [string, Session])[] | null = null
  const each = (
    kind: keyof Contents,
    weight: (session: Session) => number,
    act: (id: string, session: Session) => void,
  ) => {
    if (table.kept[kind] <= FULL * limits[kind]) return
    sessions ??= [...open]
    for (const [id, session] of sessions.filter(([, s]) => weight(s) > 0).sort(oldestFirst(weight))) {
      if (table.kept[kind] <= LEFT * limits[kind]) return
      act(id, session)
    }
  }
  each(
    'bytes',
    (session) => session.cost,
    (id, session) => {
      table.beforeChange(id, session)
      session.forgetResults()
      swept.forgotten.push(id)
    },
  )
  each(
    'numbers',
    (session) => session.size,
    (id, session) => {
      table.beforeChange(id, session)
      session.cut()
      swept.cut.push(id)
    },
  )
  each(
    'sessions',
    () => 1,
    (id) => {
      // The tombstones keep a promise; they go when they are old enough.
      if (table.leavesTombstone(id) && table.kept.tombstones >= limits.tombstones) return
      table.expire(id)
      swept.expired.push(id)
    },
  )
  return swept
}

/** If everything else is equal, names are compared, so that there is one order. */
function oldestFirst(weight: (session: Session) => number) {
  return ([a, one]: readonly [string, Session], [b, other]: readonly [string, Session]): number => {
    return one.usedIn - other.usedIn || weight(other) - weight(one) || (a < b ? -1 : 1)
  }
}
