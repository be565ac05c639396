import type { FootprintBuilder } from '../engine/footprint.ts'
import { MAX_FOOTPRINT_KEYS } from '../engine/footprint.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { latin1, readU16, readU32, readU64, writeU16, writeU32, writeU64 } from './bytes.ts'
import type { StateMachine } from './machine.ts'

/**
 * A group is what a client sends at once: commands of one session, or without a session. `Batch.commands` is a
 * concatenation of groups, each with exactly the bytes of its client. Little-endian, no padding:
 *
 * | at | |
 * |---|---|
 * | 0 | u32 size of the whole group |
 * | 4 | u8 kind: {@link GroupKind} |
 * | 5 | u8 length of the session id, 0 for no session |
 * | 6 | u16 reserved, 0 |
 * | 8 | u32 count of commands |
 * | 12 | u64 request number of the first command, 0 without a session; of a sweep: the generation that it ends; of a
 *        tick: its number |
 * | 20 | u64 acknowledged: the client has the answers of its requests up to here; of a tick: the epoch |
 * | 28 | session id, then per command u32 length with bit 31 = {@link ONLY_READS}, and its bytes |
 */
export const GroupKind = { commands: 1, expire: 2, sweep: 3, open: 4, tick: 5, reconfigure: 6 } as const
export type GroupKind = (typeof GroupKind)[keyof typeof GroupKind]

export const GROUP_HEADER_BYTES = 28

/** Where the kind is. */
export const GROUP_KIND_AT = 4

/**
 * The largest group of a client: half a batch between replicas (codec/limits.ts), so that a batch that is less than
 * half full has room for one more.
 */
export const MAX_GROUP_BYTES = 4 << 20

export const MAX_GROUP_COMMANDS = 1 << 16

export const MAX_SESSION_ID_BYTES = 64

/** Set by the replica that received the group, whatever the client sent there: the command writes no key. */
export const ONLY_READS = 0x8000_0000

export interface GroupOptions {
  /** 1 to 64 bytes; a string is UTF-8. */
  readonly session: string | Uint8Array
  /** Request number of the first command, from 1. */
  readonly first: number
  /** Every request up to here is answered, or given up for ever; below `first`. */
  readonly acknowledged: number
}

/**
 * Encodes a group of commands, for a client. Throws an {@link EpaxosError} for a group whose layout replicas would
 * refuse.
 */
export function encodeGroup(commands: readonly Uint8Array[], options?: GroupOptions): Uint8Array {
  let size = 0
  for (const command of commands) size += 4 + command.length
  const group = encodeHeader(GroupKind.commands, size, commands.length, options)
  let at = group.length - size
  for (const command of commands) {
    writeU32(group, at, command.length)
    group.set(command, at + 4)
    at += 4 + command.length
  }
  new GroupReader().open(group, 0)
  return group
}

/** Encodes the expiry of a session: none of its requests is applied afterwards. */
export function encodeExpire(session: string | Uint8Array): Uint8Array {
  const group = encodeHeader(GroupKind.expire, 0, 0, { session, first: 0, acknowledged: 0 })
  new GroupReader().open(group, 0)
  return group
}

/**
 * The name of a session that was opened by a command has this many bytes: 0, the row of the replica that took the
 * command, the last slot of that row at that time (6 bytes), the number of earlier openings in the process (4 bytes),
 * the epoch (4 bytes), and the first 8 bytes of the cluster's id. Slots are never used again, so no name occurs twice
 * in a cluster; a cluster that was restored from a backup keeps the names of the old one, and gives no name that the
 * old one gave, before or after the backup.
 */
export const OPENED_NAME_BYTES = 24

/** The first byte of such a name. A session with such a name exists only between its opening and its expiry. */
export const OPENED_MARK = 0

/** The contents of such a name ({@link OPENED_NAME_BYTES}). */
export interface NameParts {
  readonly row: number
  readonly slot: number
  readonly count: number
  readonly epoch: number
  /** Hexadecimal, at least 16 digits. */
  readonly clusterId: string
}

/** Encodes the opening of a session. The replica that takes it makes the name, which is the result. */
export function encodeOpen(): Uint8Array {
  const session = new Uint8Array(OPENED_NAME_BYTES)
  return encodeHeader(GroupKind.open, 0, 0, { session, first: 0, acknowledged: 0 })
}

/** Writes the name into a group that opens a session, in place. Any other group stays as it is. */
export function giveName(group: Uint8Array, { row, slot, count, epoch, clusterId }: NameParts): void {
  if (group.length !== GROUP_HEADER_BYTES + OPENED_NAME_BYTES) return
  group[GROUP_HEADER_BYTES] = OPENED_MARK
  group[GROUP_HEADER_BYTES + 1] = row
  writeU16(group, GROUP_HEADER_BYTES + 2, Math.floor(slot / 0x1_0000_0000))
  writeU32(group, GROUP_HEADER_BYTES + 4, slot % 0x1_0000_0000)
  writeU32(group, GROUP_HEADER_BYTES + 8, count)
  writeU32(group, GROUP_HEADER_BYTES + 12, epoch)
  for (let at = 0; at < 8; at++) {
    group[GROUP_HEADER_BYTES + 16 + at] = Number.parseInt(clusterId.slice(2 * at, 2 * at + 2), 16)
  }
}

/**
 * Encodes a sweep of all sessions (sweep.ts). Only replicas make one, as a batch of its own that interferes with
 * everything.
 */
export function encodeSweep(generation: number): Uint8Array {
  const group = new Uint8Array(GROUP_HEADER_BYTES)
  writeU32(group, 0, group.length)
  group[4] = GroupKind.sweep
  writeU64(group, 12, generation)
  return group
}

/** Encodes the claim that a tick of the sessions' clock is over (age.ts). Made and sent like a sweep. */
export function encodeTick(tick: number, epoch: number): Uint8Array {
  const group = new Uint8Array(GROUP_HEADER_BYTES)
  writeU32(group, 0, group.length)
  group[4] = GroupKind.tick
  writeU64(group, 12, tick)
  writeU64(group, 20, epoch)
  return group
}

/**
 * Encodes a change of the members (protocol.md §11). Made and sent like a sweep.
 *
 * @param membership the bytes of the members of the next epoch
 */
export function encodeReconfigure(membership: Uint8Array): Uint8Array {
  const group = encodeHeader(GroupKind.reconfigure, 4 + membership.length, 1)
  writeU32(group, GROUP_HEADER_BYTES, membership.length)
  group.set(membership, GROUP_HEADER_BYTES + 4)
  return group
}

function encodeHeader(kind: GroupKind, size: number, count: number, options?: GroupOptions): Uint8Array {
  const id = options === undefined ? new Uint8Array(0) : sessionBytes(options.session)
  const whole = GROUP_HEADER_BYTES + id.length + size
  if (whole > MAX_GROUP_BYTES) throw new EpaxosError(ErrorCode.tooLarge, `a group of ${whole} bytes is too large`)
  const { first = 0, acknowledged = 0 } = options ?? {}
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(acknowledged) || first < 0 || acknowledged < 0) {
    throw new EpaxosError(ErrorCode.badCommand, `request numbers are whole, below 2⁵³: not ${first}, ${acknowledged}`)
  }
  const group = new Uint8Array(whole)
  writeU32(group, 0, group.length)
  group[4] = kind
  group[5] = id.length
  writeU32(group, 8, count)
  writeU64(group, 12, first)
  writeU64(group, 20, acknowledged)
  group.set(id, GROUP_HEADER_BYTES)
  return group
}

function sessionBytes(session: string | Uint8Array): Uint8Array {
  const id = typeof session === 'string' ? new TextEncoder().encode(session) : session
  if (id.length > 0 && id.length <= MAX_SESSION_ID_BYTES) return id
  throw new EpaxosError(ErrorCode.badCommand, `a session id has 1 to ${MAX_SESSION_ID_BYTES} bytes, not ${id.length}`)
}

/**
 * Walks over the groups of a batch and their commands without creating objects: {@link open} a group, then call {@link
 * next} repeatedly.
 */
export class GroupReader {
  kind: GroupKind = GroupKind.commands
  count = 0
  /** Request number of the first command. */
  first = 0
  acknowledged = 0
  /** Where the session id is; an empty range if there is none. */
  sessionStart = 0
  sessionEnd = 0
  /** Where the group ends and the next one begins. */
  end = 0

  /** The command that {@link next} found: its bytes are `bytes[commandStart, commandEnd)`. */
  commandStart = 0
  commandEnd = 0
  onlyReads = false
  /** Its position in the group, from 0. */
  index = -1

  #bytes: Uint8Array = new Uint8Array(0)

  /**
   * Opens the group at `at`. Throws an {@link EpaxosError} with code `malformed` or `too_large` unless its whole layout
   * is valid, including the lengths of all its commands, so that {@link next} needs no checks.
   */
  open(bytes: Uint8Array, at: number): void {
    const size = at + GROUP_HEADER_BYTES <= bytes.length ? readU32(bytes, at) : 0
    if (size < GROUP_HEADER_BYTES || at + size > bytes.length) throw malformed('its size')
    if (size > MAX_GROUP_BYTES) throw new EpaxosError(ErrorCode.tooLarge, `a group of ${size} bytes is too large`)
    this.reopen(bytes, at)
    if (readU16(bytes, at + 6) !== 0) throw malformed('its reserved bytes')
    if (this.sessionEnd - this.sessionStart > MAX_SESSION_ID_BYTES || this.sessionEnd > this.end) {
      throw malformed('its session id')
    }
    if (this.count > MAX_GROUP_COMMANDS) throw new EpaxosError(ErrorCode.tooLarge, 'a group has too many commands')
    this.#checkNumbers()
    this.#checkCommands()
  }

  /** Opens a group that {@link open} has accepted before, without checking it again. */
  reopen(bytes: Uint8Array, at: number): void {
    this.#bytes = bytes
    this.end = at + readU32(bytes, at)
    this.kind = bytes[at + 4] as GroupKind
    this.count = readU32(bytes, at + 8)
    this.first = readU64(bytes, at + 12)
    this.acknowledged = readU64(bytes, at + 20)
    this.sessionStart = at + GROUP_HEADER_BYTES
    this.sessionEnd = this.sessionStart + (bytes[at + 5] as number)
    this.index = -1
    this.commandStart = this.commandEnd = this.sessionEnd
  }

  /** Goes to the next command of the group; false after the last one. */
  next(): boolean {
    if (++this.index >= this.count) return false
    const word = readU32(this.#bytes, this.commandEnd)
    this.onlyReads = word >= ONLY_READS
    this.commandStart = this.commandEnd + 4
    this.commandEnd = this.commandStart + (word % ONLY_READS)
    return true
  }

  /** Whether the group names a session. */
  get hasSession(): boolean {
    return this.sessionEnd > this.sessionStart
  }

  /** The session id, one character per byte; empty for none. */
  session(): string {
    return latin1(this.#bytes, this.sessionStart, this.sessionEnd)
  }

  /** Request numbers of a session count from 1, all below 2⁵³; without a session, and in an expiry, there are none. */
  #checkNumbers(): void {
    const { first, acknowledged, count } = this
    if (this.kind === GroupKind.commands && this.hasSession) {
      if (!(first >= 1 && acknowledged < first && Number.isSafeInteger(first + count))) {
        throw malformed('its request numbers')
      }
    } else if (this.kind === GroupKind.sweep) {
      if (this.hasSession || count !== 0 || acknowledged !== 0 || !Number.isSafeInteger(first))
        throw malformed('a sweep')
    } else if (this.kind === GroupKind.tick) {
      const areWhole = Number.isSafeInteger(first) && Number.isSafeInteger(acknowledged)
      if (this.hasSession || count !== 0 || !areWhole) throw malformed('a tick')
    } else if (this.kind === GroupKind.reconfigure) {
      if (this.hasSession || count !== 1 || first !== 0 || acknowledged !== 0)
        throw malformed('a change of the members')
    } else if (this.kind === GroupKind.open) {
      const isName =
        this.sessionEnd - this.sessionStart === OPENED_NAME_BYTES && this.#bytes[this.sessionStart] === OPENED_MARK
      if (!isName || count !== 0 || first !== 0 || acknowledged !== 0) throw malformed('the opening of a session')
    } else if (this.kind === GroupKind.commands || (this.kind === GroupKind.expire && this.hasSession && count === 0)) {
      if (first !== 0 || acknowledged !== 0) throw malformed('its request numbers')
    } else {
      throw malformed('its kind')
    }
  }

  #checkCommands(): void {
    let at = this.sessionEnd
    for (let i = 0; i < this.count; i++) {
      if (at + 4 > this.end) throw malformed('the lengths of its commands')
      at += 4 + (readU32(this.#bytes, at) % ONLY_READS)
    }
    if (at !== this.end) throw malformed('the lengths of its commands')
  }
}

/** The bytes of the group at `at`, which was opened before. */
export function groupSize(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at)
}

function malformed(what: string): EpaxosError {
  return new EpaxosError(ErrorCode.malformed, `a group of commands is malformed: ${what}`)
}

/**
 * Whether `commands` of a batch is a concatenation of well-formed groups; a change of the members is alone in its
 * batch. `reader` is used for the walk.
 */
export function areGroups(commands: Uint8Array, reader: GroupReader): boolean {
  try {
    for (let at = 0; at < commands.length; at = reader.end) {
      reader.open(commands, at)
      const isAlone = at === 0 && reader.end === commands.length
      if (reader.kind === GroupKind.reconfigure && !isAlone) return false
    }
    return true
  } catch (error) {
    if (error instanceof EpaxosError) return false
    throw error
  }
}

export interface PreparedGroup {
  readonly kind: GroupKind
  readonly count: number
  /** How many of the commands may write. */
  readonly updates: number
  /** The session id, one character per byte; empty for none. */
  readonly session: string
  /** Request number of the first command; 0 without a session. */
  readonly first: number
}

const prepareReader = new GroupReader()

/** The other kinds are made by replicas. */
const CLIENT_KINDS: ReadonlySet<GroupKind> = new Set([GroupKind.commands, GroupKind.expire, GroupKind.open])

/**
 * The work of the replica that received a group, before it proposes it: checks the whole group, marks the commands that
 * only read (in place) and adds its footprint to `keys`. If the group updates something in a session, the pseudo-key of
 * the session is among the written keys, so that updates of one session execute in one order everywhere (protocol.md
 * §8).
 *
 * @param group the bytes of exactly one group
 * @throws EpaxosError with code `malformed`, `too_large`, or what the machine's `footprint` throws; `keys` is then
 *   unchanged
 */
export function prepareGroup(group: Uint8Array, machine: StateMachine, keys: FootprintBuilder): PreparedGroup {
  const reader = prepareReader
  const mark = keys.mark()
  try {
    reader.open(group, 0)
    if (reader.end !== group.length) throw malformed('its size')
    if (!CLIENT_KINDS.has(reader.kind)) throw malformed('its kind')
    const updates = prepareCommands(group, reader, machine, keys)
    if (reader.hasSession && (updates > 0 || reader.kind !== GroupKind.commands)) writeSessionKey(group, reader, keys)
    if (keys.keys > MAX_FOOTPRINT_KEYS) throw new EpaxosError(ErrorCode.tooLarge, 'a group names too many keys')
    return { kind: reader.kind, count: reader.count, updates, session: reader.session(), first: reader.first }
  } catch (error) {
    keys.rewind(mark)
    throw error
  }
}

function prepareCommands(
  group: Uint8Array,
  reader: GroupReader,
  machine: StateMachine,
  keys: FootprintBuilder,
): number {
  let updates = 0
  while (reader.next()) {
    const { commandStart, commandEnd } = reader
    const writes = keys.writes
    machine.footprint(group, commandStart, commandEnd, keys)
    const onlyReads = keys.writes === writes
    if (!onlyReads) updates++
    writeU32(group, commandStart - 4, commandEnd - commandStart + (onlyReads ? ONLY_READS : 0))
  }
  return updates
}

const SESSION_KEY_PREFIX = new TextEncoder().encode('session:')
const sessionKey = new Uint8Array(SESSION_KEY_PREFIX.length + MAX_SESSION_ID_BYTES)
sessionKey.set(SESSION_KEY_PREFIX)

/** A machine key with the same bytes only adds interference. */
function writeSessionKey(group: Uint8Array, reader: GroupReader, keys: FootprintBuilder): void {
  const { sessionStart, sessionEnd } = reader
  sessionKey.set(group.subarray(sessionStart, sessionEnd), SESSION_KEY_PREFIX.length)
  keys.write(sessionKey, 0, SESSION_KEY_PREFIX.length + sessionEnd - sessionStart)
}
