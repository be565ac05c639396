import { hashed, hashKey } from '../../src/engine/footprint.ts'
import type { ReferenceEngine } from '../../src/engine/reference.ts'
import type { Core } from '../../src/protocol/core.ts'
import { type Message, MessageType } from '../../src/protocol/messages.ts'
import type { Read } from '../../src/protocol/open-reads.ts'
import { textOf } from './inputs.ts'

/** The only key. */
const KEY = new TextEncoder().encode('a')

interface TrackedRead extends Read {
  /** What had executed anywhere when it began. */
  readonly mustSee: readonly string[]
  /** Its probe, and everything that its further way depends on besides the state of the instances. */
  readonly began: string
  /** The first answer of each peer. */
  readonly answers: Map<number, string>
  done: boolean
}

/** The quorum reads of one life of a replica: what they must see, and their part in its state. */
export class TrackedReads {
  #reads: TrackedRead[] = []

  begin(core: Core, engine: ReferenceEngine, mustSee: readonly string[]): void {
    hashKey(KEY)
    const { lo, hi } = hashed
    const began = `own=[${engine.writers(lo, hi)}] frontier=[${core.frontier}] must=${mustSee}`
    const read: TrackedRead = {
      lo,
      hi,
      everything: false,
      wanted: true,
      mustSee,
      began,
      answers: new Map(),
      done: false,
    }
    this.#reads.push(read)
    core.read([read])
  }

  hear(from: number, message: Message): void {
    if (message.type !== MessageType.probeOk) return
    // Numbers count from 1 in each life.
    const read = this.#reads[message.number - 1]
    if (read !== undefined && !read.done && !read.answers.has(from)) read.answers.set(from, textOf(message))
  }

  /** Throws if the state lacks what the read must see. */
  answered(read: Read, executed: readonly string[]): void {
    const tracked = read as TrackedRead
    tracked.done = true
    const missing = tracked.mustSee.filter((name) => !executed.includes(name))
    if (missing.length > 0) throw new Error(`Linearizability: a read misses ${missing}, which had executed before`)
  }

  text(): string {
    return this.#reads
      .map(({ done, began, answers }) => (done ? '\nread' : `\nread ${began} ${[...answers].sort().join()}`))
      .join('')
  }
}
