import type { Membership } from '../../src/protocol/membership.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { MessageType } from '../../src/protocol/messages.ts'

/**
 * The answer of a replica that has left the epoch of a request, with the closing checkpoint of that epoch: what had
 * executed in it, in order, and the members that follow.
 */
export interface Closed {
  readonly type: 'closed'
  readonly epoch: number
  readonly executed: readonly string[]
  readonly next: Membership
}

/** The sender holds a checkpoint of this epoch durably, as handshakes of its members show. */
export interface Holds {
  readonly type: 'holds'
  readonly epoch: number
}

export type Wire = Message | Closed | Holds

/** What can happen to one replica. Its text names it uniquely within a run; a trace consists of these texts. */
export type Input =
  | { readonly kind: 'deliver'; readonly from: number; readonly message: Wire; readonly text: string }
  | { readonly kind: 'propose'; readonly text: string }
  /** Begins a quorum read, which must see these commands: they have executed somewhere. */
  | { readonly kind: 'read'; readonly mustSee: readonly string[]; readonly text: string }
  /** Begins a recovery here, as a nudge or a due check does. */
  | { readonly kind: 'recover' | 'expire'; readonly row: number; readonly slot: number; readonly text: string }
  /** The link to a crashed peer goes down here. */
  | { readonly kind: 'unlink'; readonly peer: number; readonly text: string }
  /**
   * `doom`: from now on nothing that it journals becomes durable. `restart`: it comes back with what is durable.
   * `settle`: it will never restart, so its journal no longer matters. `crash`: it stops for good. `close`: its closing
   * checkpoint is durable. `leave`: it was removed, and is switched off.
   */
  | { readonly kind: 'doom' | 'restart' | 'settle' | 'crash' | 'close' | 'leave'; readonly text: string }

const names = new Map(Object.entries(MessageType).map(([name, type]) => [type as number, name]))

const UNSAID = new Set(['type', 'epoch', 'row', 'slot', 'mode'])

/**
 * The whole content of a message as readable text: messages with equal texts have equal effects. The ballot of a Commit
 * has no meaning, because decisions are final.
 */
export function textOf(message: Wire): string {
  if (message.type === 'closed') return `closed ${message.epoch} with ${message.executed}`
  if (message.type === 'holds') return `holds a checkpoint of epoch ${message.epoch}`
  let text = names.get(message.type) as string
  if ('row' in message) text += ` ${message.row}.${message.slot}`
  if (message.epoch > 0) text += ` epoch=${message.epoch}`
  for (const [key, value] of Object.entries(message)) {
    if (UNSAID.has(key) || (key === 'ballot' && message.type === MessageType.commit)) continue
    if (key === 'batch') text += value === null ? '' : ' batch'
    else if (key === 'writers') text += ` writers=${JSON.stringify(value)}`
    else if (key === 'conflicts') text += ` conflicts=${conflictsText(message)}`
    else text += ` ${key}=${Array.isArray(value) ? `[${value}]` : value}`
  }
  return text
}

function conflictsText(message: Message): string {
  if (message.type !== MessageType.validateOk) return ''
  return `{${message.conflicts.map(({ row, slot, phase }) => `${row}.${slot}:${phase}`).sort()}}`
}

export function deliverText(from: number, to: number, message: string): string {
  return `deliver ${from}→${to} ${message}`
}
