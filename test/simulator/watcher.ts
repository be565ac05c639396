import type { Core } from '../../src/protocol/core.ts'
import { type Heartbeat, type Message, MessageType } from '../../src/protocol/messages.ts'
import { Promises } from '../protocol/promises.ts'
import { type End, noEnds, Steps } from '../protocol/steps.ts'
import type { Sent } from '../support/cluster.ts'
import { Decisions, type Execution } from './decisions.ts'
import { Violation } from './violation.ts'

/** With more open instances than this, only those named in messages are checked. */
const OPEN_LOOKED_AT = 64

/** An instance of which nothing is known. */
const NOTHING = 'phase 0 ballots 0, 0 [] []'

/** The protocol's invariants over the whole cluster and all lives of its replicas (protocol.md §5). */
export class Watcher {
  readonly decisions: Decisions
  /** How recoveries ended. */
  readonly ends: Map<End, number> = noEnds()
  readonly #promises: Promises
  readonly #cores: (Core | null)[]
  /** By replica: the most that any of its lives announced as executed. */
  readonly #announced: number[][]

  constructor(replicas: number) {
    this.decisions = new Decisions(replicas)
    this.#cores = new Array(replicas).fill(null)
    this.#announced = this.#cores.map(() => new Array(replicas).fill(0))
    this.#promises = new Promises({
      replicas: this.#cores,
      replica: (id) => ({ core: this.#cores[id] as Core }),
    })
  }

  /** Everything that a replica sent in one turn, by receiver, in the order of the ballots. */
  said(sent: readonly Sent[]): void {
    const inOrder = sent.length < 2 ? sent : [...sent].sort((a, b) => rank(a.message) - rank(b.message))
    asViolation('Promises', () => {
      for (const one of inOrder) this.#promises.sent(one)
    })
  }

  /** What any life of a replica announced as executed, every later one knows to be committed (protocol.md §10). */
  announces(replica: number, { executed, committed }: Heartbeat): void {
    const announced = this.#announced[replica] as number[]
    for (const [row, slot] of executed.entries()) {
      const before = announced[row] as number
      if ((committed[row] as number) < before) {
        throw new Violation('Durable', `${replica} announced ${row}.${before} as executed, and has lost its commit`)
      }
      announced[row] = Math.max(before, slot)
    }
  }

  /** A replica begins a life. */
  life(replica: number, core: Core, isOwn: boolean): WatchedLife {
    if (isOwn) this.#cores[replica] = core
    return new WatchedLife(core, this.decisions.execution(replica), this.ends, isOwn ? this.#promises : null)
  }
}

/** One life of a replica as the {@link Watcher} sees it. */
export class WatchedLife {
  readonly execution: Execution
  readonly #core: Core
  readonly #steps: Steps
  readonly #promises: Promises | null
  readonly #touched = new Map<string, readonly [number, number]>()
  readonly #open = new Map<string, readonly [number, number]>()
  readonly #highest: number[]

  constructor(core: Core, execution: Execution, ends: Map<End, number>, promises: Promises | null) {
    this.#core = core
    this.#promises = promises
    this.execution = execution
    this.#steps = new Steps(ends)
    this.#highest = new Array(core.quorums.replicas).fill(0)
  }

  /** The instance was named, entered or committed: the next check covers it. */
  touch(row: number, slot: number): void {
    this.#touched.set(`${row}.${slot}`, [row, slot])
    this.#highest[row] = Math.max(this.#highest[row] as number, slot)
  }

  /** Checks what was touched since the last check, and everything that is open if anything was sent. */
  look(spoke: boolean): void {
    if (spoke && this.#open.size <= OPEN_LOOKED_AT) for (const [id, at] of this.#open) this.#touched.set(id, at)
    for (const [id, at] of this.#touched) this.#lookAt(id, at)
    this.#touched.clear()
  }

  /** Checks every instance that was ever touched. */
  lookAtAll(): void {
    for (const [row, highest] of this.#highest.entries()) {
      for (let slot = 1; slot <= highest; slot++) this.touch(row, slot)
    }
    this.look(true)
  }

  /**
   * An install leaves what was promised, voted and known of all that stays open (protocol.md §10), and takes no payload
   * out of the index.
   */
  installs<T>(install: () => T, isIndexed: (row: number, slot: number) => boolean): T {
    const before = this.#openAsText()
    const indexed = this.#slots().filter(([row, slot]) => isIndexed(row, slot))
    const installed = install()
    for (const [row, slot] of indexed) {
      const isLost = slot > (this.#core.dropped[row] as number) && !isIndexed(row, slot)
      if (isLost) throw new Violation('Install', `${row}.${slot} is not in the index any more`)
    }
    for (const [id, after] of this.#openAsText()) {
      const text = before.get(id) ?? NOTHING
      if (text !== after) throw new Violation('Install', `${id} was ${text} before, and is ${after}`)
    }
    return installed
  }

  #slots(): [row: number, slot: number][] {
    return [...this.#highest.entries()].flatMap(([row, highest]) =>
      Array.from({ length: highest }, (_, i): [number, number] => [row, i + 1]),
    )
  }

  /** Also somewhat above what was ever touched. */
  #openAsText(): Map<string, string> {
    const texts = new Map<string, string>()
    for (const [row, highest] of this.#highest.entries()) {
      for (let slot = 1; slot <= highest + OPEN_LOOKED_AT; slot++) {
        const instance = this.#core.instance(row, slot)
        if (instance === undefined || instance.committed) continue
        const { phase, ballot, voteBallot, deps, initDeps } = instance
        texts.set(
          `${row}.${slot}`,
          `phase ${phase} ballots ${ballot}, ${voteBallot} [${deps ?? ''}] [${initDeps ?? ''}]`,
        )
      }
    }
    return texts
  }

  #lookAt(id: string, at: readonly [number, number]): void {
    const instance = this.#core.instance(...at)
    if (instance === undefined) return
    asViolation('Steps', () => this.#steps.look(instance))
    asViolation('Promises', () => this.#promises?.holds(instance))
    if (instance.committed) this.#open.delete(id)
    else this.#open.set(id, at)
  }
}

/** Promises of a ballot before votes in it, and decisions last. */
function rank(message: Message): number {
  if (message.type === MessageType.commit) return Number.MAX_SAFE_INTEGER
  const ballot = 'ballot' in message ? message.ballot : 0
  const votes = message.type === MessageType.accept || message.type === MessageType.acceptOk
  return 2 * ballot + (votes ? 1 : 0)
}

function asViolation(property: string, look: () => void): void {
  try {
    look()
  } catch (error) {
    throw new Violation(property, (error as Error).message)
  }
}
