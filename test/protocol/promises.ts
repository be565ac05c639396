import type { Vector } from '../../src/engine/engine.ts'
import type { Footprint } from '../../src/engine/footprint.ts'
import type { Core } from '../../src/protocol/core.ts'
import type { Instance } from '../../src/protocol/instance.ts'
import { Command, type Commit, MessageType, Phase } from '../../src/protocol/messages.ts'
import { equal, includes } from '../../src/protocol/vector.ts'
import { addVote, countVotes } from '../../src/protocol/votes.ts'
import type { Sent } from '../support/cluster.ts'
import { interferes } from '../support/interference.ts'

/** What one replica has said about one instance, over all its lives. */
interface Said {
  /** The dependencies of its pre-acceptance. */
  deps: Vector | null
  /** The highest ballot that it promised or voted in. */
  promised: number
  /** The highest ballot that it voted in; -1 for none. */
  voted: number
  validated: boolean
  /** On the fast path, by its coordinator. */
  committed: boolean
}

interface Value {
  readonly command: Command
  readonly deps: Vector
}

/** The replicas that speak, each with the core of its current life. */
export interface Speakers {
  readonly replicas: readonly unknown[]
  replica(id: number): { readonly core: Core }
}

/**
 * What was said stays said, over crashes and restarts: a pre-acceptance, a promise, a vote, a validation, a fast
 * commit. No ballot begins twice, one ballot has one value, and once a value is chosen no higher ballot has another.
 */
export class Promises {
  readonly #cluster: Speakers
  readonly #said: Map<string, Said>[]
  readonly #footprints = new Map<string, Footprint>()
  /** The coordinator's own dependencies, which are the same in every message. */
  readonly #initDeps = new Map<string, Vector>()
  /** By instance, then by ballot: the value of its Accept, and the voters. */
  readonly #values = new Map<string, Map<number, { votes: number } & Value>>()
  readonly #chosen = new Map<string, { ballot: number } & Value>()
  /** By instance and ballot: the Recover that began it, the same object however often it is sent. */
  readonly #begun = new Map<string, { readonly life: object; readonly from: number }>()

  constructor(cluster: Speakers) {
    this.#cluster = cluster
    this.#said = cluster.replicas.map(() => new Map())
  }

  sent({ from, message }: Sent): void {
    switch (message.type) {
      case MessageType.preAccept:
        this.#footprints.set(idOf(message), message.batch.footprint)
        this.#initial(idOf(message), message.initDeps)
        return this.#preAccepted(from, idOf(message), message.initDeps)
      case MessageType.preAcceptOk:
        return this.#preAccepted(from, idOf(message), message.deps)
      case MessageType.recover:
        this.#began(from, idOf(message), message.ballot)
        return this.#promised(from, idOf(message), message.ballot)
      case MessageType.recoverOk: {
        const said = this.#of(from, idOf(message))
        if (message.initDeps !== null) this.#initial(idOf(message), message.initDeps)
        this.#promised(from, idOf(message), message.ballot)
        if (said.voted >= 0 && (message.phase !== Phase.accepted || message.voteBallot < said.voted)) {
          throw new Error(`${from} has forgotten its vote for ${idOf(message)}`)
        }
        if (said.deps !== null && message.phase === Phase.none) {
          throw new Error(`${from} has forgotten that it pre-accepted ${idOf(message)}`)
        }
        if (said.validated && message.initDeps === null) throw new Error(`${from} has forgotten its ValidateOk`)
        return
      }
      case MessageType.accept:
        this.#promised(from, idOf(message), message.ballot)
        this.#proposed(idOf(message), message.ballot, message)
        return this.#voted(from, idOf(message), message.ballot)
      case MessageType.acceptOk:
        this.#promised(from, idOf(message), message.ballot)
        return this.#voted(from, idOf(message), message.ballot)
      case MessageType.validate:
        return this.#initial(idOf(message), message.deps)
      case MessageType.validateOk:
        this.#of(from, idOf(message)).validated = true
        return
      case MessageType.commit: {
        const fast = message.ballot === 0 && from === message.row && this.#value(idOf(message), 0) === undefined
        if (fast) this.#of(from, idOf(message)).committed = true
        return this.#decided(idOf(message), message)
      }
    }
  }

  /** What a replica has taken over from a message is what the message said: the vote, and the initial dependencies. */
  holds(instance: Instance): void {
    const { phase, voteBallot, command, deps, initDeps } = instance
    const id = `${instance}`
    const value = phase === Phase.accepted ? this.#value(id, voteBallot) : undefined
    if (value !== undefined && !same(value, { command, deps: deps as Vector })) {
      throw new Error(`a vote for ${id} in ballot ${voteBallot} is for [${deps}], and Accept said [${value.deps}]`)
    }
    const first = this.#initDeps.get(id)
    if (first !== undefined && initDeps !== null && !equal(first, initDeps)) {
      throw new Error(`${id} is kept with initial dependencies [${initDeps}], and has [${first}]`)
    }
  }

  #initial(id: string, initDeps: Vector): void {
    const first = this.#initDeps.get(id)
    if (first === undefined) this.#initDeps.set(id, initDeps)
    else if (!equal(first, initDeps)) throw new Error(`${id} has initial dependencies [${initDeps}] and [${first}]`)
  }

  #preAccepted(from: number, id: string, deps: Vector): void {
    const said = this.#of(from, id)
    if (said.promised > 0) throw new Error(`${from} pre-accepted ${id} after a promise`)
    if (said.deps !== null) {
      if (!equal(said.deps, deps)) throw new Error(`${from} pre-accepted ${id} with [${said.deps}], then [${deps}]`)
      return
    }
    said.deps = deps
    const footprint = this.#footprints.get(id) as Footprint
    for (const [other, { deps: its }] of this.#said[from] as Map<string, Said>) {
      if (other === id || its === null || names(deps, other) || names(its, id)) continue
      if (interferes(footprint, this.#footprints.get(other) as Footprint)) {
        throw new Error(`${from} pre-accepted ${id} and ${other} unordered`)
      }
    }
  }

  #promised(from: number, id: string, ballot: number): void {
    const said = this.#of(from, id)
    if (ballot < said.promised) throw new Error(`${from} broke its promise of ballot ${said.promised} for ${id}`)
    if (ballot > 0 && said.committed) throw new Error(`${from} has forgotten that it committed ${id}`)
    said.promised = ballot
  }

  #began(from: number, id: string, ballot: number): void {
    const key = `${id} ${ballot}`
    const life = this.#cluster.replica(from).core
    const begun = this.#begun.get(key)
    if (begun === undefined) this.#begun.set(key, { life, from })
    else if (begun.life !== life) throw new Error(`${from} began ballot ${ballot} of ${id} twice`)
  }

  #proposed(id: string, ballot: number, { command, deps }: Value): void {
    const value = this.#value(id, ballot)
    const values = this.#values.get(id) ?? new Map()
    if (value === undefined) this.#values.set(id, values.set(ballot, { command, deps, votes: 0 }))
    else if (!same(value, { command, deps })) throw new Error(`ballot ${ballot} of ${id} has two values`)
    const chosen = this.#chosen.get(id)
    if (chosen !== undefined && ballot > chosen.ballot && !same(chosen, { command, deps })) {
      throw new Error(`Agreement: ${id} was chosen in ballot ${chosen.ballot}, another value is accepted in ${ballot}`)
    }
  }

  #voted(from: number, id: string, ballot: number): void {
    const said = this.#of(from, id)
    said.voted = Math.max(said.voted, ballot)
    const value = this.#value(id, ballot)
    if (value === undefined) throw new Error(`${from} voted for ${id} in ballot ${ballot}, where nothing was accepted`)
    value.votes = addVote(value.votes, from)
    if (countVotes(value.votes) >= this.#cluster.replica(from).core.quorums.slow) this.#choose(id, ballot, value)
  }

  /** A Commit may come long after its ballot: this only checks that it agrees with the value known as chosen. */
  #decided(id: string, message: Commit): void {
    const chosen = this.#chosen.get(id)
    if (chosen === undefined) this.#choose(id, message.ballot, message)
    else if (!same(chosen, message)) throw new Error(`Agreement: ${id} is committed with another value than was chosen`)
  }

  #choose(id: string, ballot: number, value: Value): void {
    const chosen = this.#chosen.get(id)
    if (chosen === undefined) {
      this.#chosen.set(id, { ballot, command: value.command, deps: value.deps })
      for (const [higher, { command, deps }] of this.#values.get(id) ?? []) {
        if (higher > ballot && !same(value, { command, deps })) {
          throw new Error(`Agreement: ${id} is chosen in ballot ${ballot}, ballot ${higher} has another value`)
        }
      }
    } else if (!same(chosen, value)) throw new Error(`Agreement: ${id} was chosen with two values`)
    else if (ballot < chosen.ballot) chosen.ballot = ballot
  }

  #value(id: string, ballot: number): ({ votes: number } & Value) | undefined {
    return this.#values.get(id)?.get(ballot)
  }

  #of(replica: number, id: string): Said {
    const said = this.#said[replica] as Map<string, Said>
    let found = said.get(id)
    if (found === undefined) {
      found = { deps: null, promised: 0, voted: -1, validated: false, committed: false }
      said.set(id, found)
    }
    return found
  }
}

function idOf({ row, slot }: { readonly row: number; readonly slot: number }): string {
  return `${row}.${slot}`
}

function same(a: Value, b: Value): boolean {
  return a.command === b.command && (a.command === Command.noop || equal(a.deps, b.deps))
}

/** Whether the dependencies name the instance, given as `row.slot`. */
function names(deps: Vector, id: string): boolean {
  const [row, slot] = id.split('.').map(Number) as [number, number]
  return includes(deps, row, slot)
}
