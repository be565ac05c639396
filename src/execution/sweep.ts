import type { Session } from './session.ts'
import type { SessionTable } from './sessions.ts'

/** What all sessions may keep together. */
export interface Limits {
  /** Results with what each costs beside its bytes. */
  readonly bytes: number
  /** Request numbers that were executed and are not acknowledged. */
  readonly numbers: number
  /** Open sessions. */
  readonly sessions: number
}

/** Results 256 MiB; numbers up to 200 MiB where they lie far apart; sessions up to 100 MiB. */
export const SESSION_LIMITS: Limits = { bytes: 256 << 20, numbers: 1 << 22, sessions: 1 << 17 }

/** A sweep makes room above this share of a limit, until this share is left: there is room for what is executed meanwhile. */
const FULL = 3 / 4
const LEFT = 1 / 2

/** So much of a limit is a generation: what was not used for some of them is idle. */
const GENERATION = 1 / 8

/** Names of sessions to which a sweep did something, in the order in which it did. */
export interface Swept {
  /** Their results are forgotten: a repetition is answered as done, without its result. */
  readonly forgotten: readonly string[]
  /** What they have not acknowledged is forgotten up to their highest number: a repetition is answered as expired. */
  readonly cut: readonly string[]
  /** They are closed. */
  readonly expired: readonly string[]
}

/** Whether a sweep would make room. */
export function isFull({ kept, limits }: SessionTable): boolean {
  return exceeds(kept, limits, FULL)
}

/** Whether more is kept than may be. */
export function isOverfull({ kept, limits }: SessionTable): boolean {
  return exceeds(kept, limits, 1)
}

/** Whether so much has come since `before` that a new generation is due. */
export function isGenerationDue({ kept, limits }: SessionTable, before: Limits): boolean {
  const come = {
    bytes: kept.bytes - before.bytes,
    numbers: kept.numbers - before.numbers,
    sessions: kept.sessions - before.sessions,
  }
  return exceeds(come, limits, GENERATION)
}

function exceeds(kept: Limits, limits: Limits, share: number): boolean {
  const { bytes, numbers, sessions } = kept
  return bytes > share * limits.bytes || numbers > share * limits.numbers || sessions > share * limits.sessions
}

/**
 * Makes room in a table that is full: forgets results, cuts sessions off what they have not acknowledged, closes sessions. It begins with those that
 * were not used for the longest time, and among them with those that keep most. What it does depends on the table alone, not on the order in which
 * its sessions came here.
 */
export function sweepSessions(table: SessionTable, open: Iterable<readonly [string, Session]>): Swept {
  const swept = { forgotten: [] as string[], cut: [] as string[], expired: [] as string[] }
  const { limits } = table
  let sessions: (readonly [string, Session])[] | null = null
  const each = (
    kind: keyof Limits,
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
      session.forgetResults()
      swept.forgotten.push(id)
    },
  )
  each(
    'numbers',
    (session) => session.size,
    (id, session) => {
      session.cut()
      swept.cut.push(id)
    },
  )
  each(
    'sessions',
    () => 1,
    (id) => {
      table.expire(id)
      swept.expired.push(id)
    },
  )
  return swept
}

/** Names are compared where all else is equal, so that there is one order. */
function oldestFirst(weight: (session: Session) => number) {
  return ([a, one]: readonly [string, Session], [b, other]: readonly [string, Session]): number => {
    return one.usedIn - other.usedIn || weight(other) - weight(one) || (a < b ? -1 : 1)
  }
}
