import { type Message, MessageType } from '../../src/protocol/messages.ts'

/** Events kept for the report of a failure. */
const KEPT = 80

type Detail = string | number | Message

interface Event {
  readonly atMs: number
  readonly what: string
  readonly details: readonly Detail[]
}

/** Everything that happens in a simulation, as a hash, and the last events in words. */
export class Trace {
  #lo = 0x811c9dc5
  #hi = 0x9e3779b1
  #next = 0
  readonly #last: Event[] = []

  /** Events so far. */
  get length(): number {
    return this.#next
  }

  get hash(): string {
    return [this.#hi, this.#lo].map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('')
  }

  add(atMs: number, what: string, ...details: Detail[]): void {
    this.#number(atMs * 1000)
    this.#text(what)
    for (const detail of details) {
      if (typeof detail === 'number') this.#number(detail)
      else if (typeof detail === 'string') this.#text(detail)
    }
    this.#last[this.#next++ % KEPT] = { atMs, what, details }
  }

  /** Bytes that belong to the last event. */
  bytes(bytes: Uint8Array): void {
    for (const byte of bytes) this.#mix(byte)
  }

  /** The last events, one per line. */
  lines(): string[] {
    const first = Math.max(0, this.#next - KEPT)
    return Array.from({ length: this.#next - first }, (_, i) => {
      const { atMs, what, details } = this.#last[(first + i) % KEPT] as Event
      return `${atMs.toFixed(3).padStart(12)} ${what} ${details.map(textOf).join(' ')}`
    })
  }

  #text(text: string): void {
    for (let i = 0; i < text.length; i++) this.#mix(text.charCodeAt(i))
  }

  #number(number: number): void {
    this.#mix(number | 0)
    this.#mix((number / 2 ** 32) | 0)
  }

  #mix(word: number): void {
    this.#lo = Math.imul(this.#lo ^ word, 0x01000193)
    this.#hi = Math.imul(this.#hi ^ this.#lo, 0x85ebca6b) ^ (this.#hi >>> 15)
  }
}

const MESSAGE_NAMES = new Map<number, string>(Object.entries(MessageType).map(([name, type]) => [type, name]))

function textOf(detail: Detail): string {
  if (typeof detail !== 'object') return String(detail)
  const { type, ...fields } = detail
  const parts = Object.entries(fields).map(([name, value]) => {
    if (name === 'row' || name === 'slot' || name === 'epoch') return ''
    if (name === 'batch') return value === null ? '' : 'with batch'
    return `${name}=${JSON.stringify(value)}`
  })
  const about = 'row' in detail ? `${detail.row}.${detail.slot}` : ''
  return [MESSAGE_NAMES.get(type), about, ...parts].filter((part) => part !== '').join(' ')
}
