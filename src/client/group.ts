import type { Consistency } from '../codec/client-messages.ts'
import type { CommandError, ErrorCode } from '../errors.ts'
import { encodeGroup, MAX_GROUP_COMMANDS } from '../execution/groups.ts'
import type { Connection } from './connection.ts'
import type { RequestNumbers, Span } from './request-numbers.ts'

/** How commands are answered, with the token of a `min` read. */
export interface How {
  readonly consistency: Consistency
  readonly min: string
}

export const LOG: How = { consistency: 'log', min: '' }

/** One command, and its caller. */
export interface Entry {
  readonly command: Uint8Array
  /** It changes nothing, so it may run any number of times. */
  readonly reads: boolean
  readonly deadlineMs: number
  /** Called with the result as a view that is valid until this returns. */
  readonly done: (result: Uint8Array) => void
  readonly fail: (error: CommandError) => void
}

/** Where the numbers of a group's commands come from. */
export interface Numbering {
  readonly session: string | Uint8Array
  /** Where the span is settled. */
  readonly numbers: RequestNumbers
  readonly first: number
  readonly acknowledged: number
  readonly span: Span
}

/** Commands that are sent together, also when they are sent again: with the same request numbers, in the same bytes. */
export class Group {
  readonly entries: readonly Entry[]
  readonly how: How
  readonly numbering: Numbering | null
  readonly bytes: Uint8Array
  readonly deadlineMs: number
  /** The link on which it is in flight. */
  connection: Connection | null = null
  /** When it was sent last, in ms. */
  sentMs = 0
  /** A replica had it and may have done it. */
  mayBeDone = false
  /** Why the last replica certainly did not do it. */
  refusal: { readonly code: ErrorCode; readonly message: string } | null = null
  settled = false

  /** @param bytes by default a group of the commands */
  constructor(entries: readonly Entry[], how: How, numbering: Numbering | null, bytes?: Uint8Array) {
    this.entries = entries
    this.how = how
    this.numbering = numbering
    const commands = entries.map(({ command }) => command)
    this.bytes = bytes ?? (numbering === null ? encodeGroup(commands) : encodeGroup(commands, numbering))
    // They were issued in one turn.
    this.deadlineMs = (entries[0] as Entry).deadlineMs
  }

  /** A group of some of the commands, under the same numbers: it shares this one's history. */
  part(from: number, to: number): Group {
    const { numbering } = this
    const first = numbering === null ? null : { ...numbering, first: numbering.first + from }
    const part = new Group(this.entries.slice(from, to), this.how, first)
    part.mayBeDone = this.mayBeDone
    part.refusal = this.refusal
    return part
  }
}

/** A group is closed when it holds this much. */
const GROUP_BYTES = 256 << 10

const COMMAND_HEADER_BYTES = 4

/** The commands of one turn, in pieces of a group each. */
export function* inGroups(entries: readonly Entry[]): Iterable<readonly Entry[]> {
  let first = 0
  let size = 0
  for (const [i, { command }] of entries.entries()) {
    const full = size + command.length > GROUP_BYTES || i - first === MAX_GROUP_COMMANDS
    if (i > first && full) {
      yield entries.slice(first, i)
      first = i
      size = 0
    }
    size += command.length + COMMAND_HEADER_BYTES
  }
  if (first < entries.length) yield first === 0 ? entries : entries.slice(first)
}
