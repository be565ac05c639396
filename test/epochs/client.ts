import { encodeGroup } from '../../src/execution/groups.ts'
import { onlyResult } from '../../src/execution/results.ts'
import type { Answer } from '../../src/node/requests.ts'
import type { Random } from '../support/random.ts'
import type { Place } from './place.ts'
import type { World } from './world.ts'

/** What one client asked, and what it was told. */
export interface Operation {
  readonly key: string
  /** What is appended; null for a read. */
  readonly value: string | null
  readonly startMs: number
  /** Infinity while there is no answer. */
  endMs: number
  /** The length after the append, or the list. */
  result: string | null
  /** An append that is tried once, without a session. */
  readonly isOnce: boolean
  /** It was refused: it is certainly not done. */
  refused: boolean
}

const KEYS = ['a', 'b', 'c']
/** A replica that does not answer is left. */
const PATIENCE_MS = 2500
const PAUSE_MS = 30
/** A replica that runs has answered by then, in whichever way: its requests time out before, in each epoch. */
const ANSWERED_MS = 5000

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Appends and reads, one after the other. An append is sent again with its session's number until it is answered. */
export class Client {
  readonly operations: Operation[] = []
  /** The longest time from the first try of an operation to its answer. */
  longestMs = 0
  readonly #world: World
  readonly #random: Random
  readonly #name: string
  #request = 0
  #stopped = false
  #idle = false

  constructor(world: World, name: string, random: Random) {
    this.#world = world
    this.#name = name
    this.#random = random
  }

  start(): void {
    this.#next()
  }

  /** It finishes what it has begun. */
  stop(): void {
    this.#stopped = true
  }

  get idle(): boolean {
    return this.#idle
  }

  #next(): void {
    if (this.#stopped) {
      this.#idle = true
      return
    }
    const isRead = this.#random.chance(0.4)
    const key = this.#random.pick(KEYS)
    const value = isRead ? null : `${this.#name}.${++this.#request}`
    const operation: Operation = {
      ...{ key, value, startMs: this.#world.time.now, endMs: Number.POSITIVE_INFINITY, result: null },
      ...{ isOnce: !isRead && this.#random.chance(0.3), refused: false },
    }
    this.operations.push(operation)
    this.#try(operation, this.#random.chance(0.2) ? 'log' : 'linearizable')
  }

  #try(operation: Operation, consistency: 'log' | 'linearizable'): void {
    const { time, running } = this.#world
    const again = () => time.after(PAUSE_MS * (0.5 + this.#random.next()), () => this.#try(operation, consistency))
    if (running.length === 0) return again()
    const { seat, process, address } = this.#random.pick(running)
    let open = true
    let answers = 0
    const answered = (answer: Answer | null) => {
      if (!open) return
      open = false
      if (answer?.outcome !== 'done' && operation.isOnce) {
        operation.refused = answer?.outcome === 'refused'
        return time.after(PAUSE_MS, () => this.#next())
      }
      if (answer?.outcome !== 'done') return again()
      operation.result = decoder.decode(onlyResult(answer.results))
      operation.endMs = time.now
      this.longestMs = Math.max(this.longestMs, operation.endMs - operation.startMs)
      time.after(this.#random.next() * 20, () => this.#next())
    }
    time.after(PATIENCE_MS, () => answered(null))
    process?.run(() => {
      seat?.read(this.#groupOf(operation), consistency, (answer) => {
        if (++answers > 1) this.#world.failures.push(`answers: ${address} answers twice`)
        answered(answer)
      })
      process.after(ANSWERED_MS, () => {
        if (answers === 0) this.#world.failures.push(`answers: ${address} never answers what came at ${time.now}`)
      })
    })
  }

  #groupOf({ key, value, isOnce }: Operation): Uint8Array {
    if (value === null) return encodeGroup([encoder.encode(`r ${key}`)])
    if (isOnce) return encodeGroup([encoder.encode(`a ${key} ${value}`)])
    const session = { session: this.#name, first: this.#request, acknowledged: this.#request - 1 }
    return encodeGroup([encoder.encode(`a ${key} ${value}`)], session)
  }
}

/** What a replica has, by key. */
export function listsOf({ seat }: Place, keys: readonly string[] = KEYS): Map<string, readonly string[]> {
  return new Map(
    keys.map((key) => {
      const text = decoder.decode(seat?.readStale(encoder.encode(`r ${key}`)))
      return [key, text === '' ? [] : text.split(',')]
    }),
  )
}

/** What is wrong with the answers, given the lists in the end; null if nothing is. */
export function whyWrong(
  operations: readonly Operation[],
  lists: ReadonlyMap<string, readonly string[]>,
): string | null {
  for (const [key, list] of lists) {
    if (new Set(list).size !== list.length) return `${key} holds a value twice: ${list}`
    const ofKey = operations.filter((operation) => operation.key === key)
    const wrong = ofKey.map((operation) => whyWrongIn(operation, list, ofKey)).find((why) => why !== null)
    if (wrong !== undefined) return wrong
  }
  return null
}

function whyWrongIn(operation: Operation, list: readonly string[], all: readonly Operation[]): string | null {
  const { key, value, result, startMs } = operation
  if (operation.refused && list.includes(value as string)) return `${value} was refused and is there`
  if (result === null) return null
  const at = (length: number) => `at ${startMs.toFixed(1)} ms, ${length} of ${list.length} of ${key}`
  const length = value === null ? (result === '' ? 0 : result.split(',').length) : Number(result)
  if (value !== null && list[length - 1] !== value) return `${value} was answered and is not there: ${at(length)}`
  if (value === null && list.slice(0, length).join() !== result) return `a read saw what never was: ${at(length)}`
  for (const other of all) {
    if (other.result === null || other.endMs >= startMs) continue
    const before =
      other.value === null ? (other.result === '' ? 0 : other.result.split(',').length) : Number(other.result)
    if (length < before || (value !== null && length === before))
      return `it misses what was answered before: ${at(length)}`
  }
  return null
}
