import type { Vector } from '../../src/engine/engine.ts'
import type { Attempt } from '../../src/protocol/attempt.ts'
import type { Instance } from '../../src/protocol/instance.ts'
import { Command, Phase } from '../../src/protocol/messages.ts'
import { equal } from '../../src/protocol/vector.ts'
import { hasVote } from '../../src/protocol/votes.ts'

/** How recoveries ended: cases a to e of protocol.md §4, how Validate ended, and how the wait ended. */
export const ENDS = [
  'a: committed',
  'b: accepted',
  'c: no-op, the coordinator is in Q',
  'd: no-op, too few agree',
  'e: validated',
  'validated: nothing invalidates',
  'validated: impossible',
  'validated: waits',
  'waited: harmless after all',
  'waited: no-op',
  'waited: committed meanwhile',
  'given up for a higher ballot',
] as const
export type End = (typeof ENDS)[number]

interface Snapshot {
  readonly phase: Phase
  readonly ballot: number
  readonly voteBallot: number
  readonly command: Command
  readonly initDeps: Vector | null
  readonly attempt: Attempt | null
}

/**
 * The instances of one replica from step to step: the invariants of protocol.md §5 in the state of each and in its
 * changes, and how recoveries ended.
 */
export class Steps {
  readonly #known = new Map<string, Snapshot>()
  readonly #ends: Map<End, number>

  /** @param ends counts the ends */
  constructor(ends: Map<End, number>) {
    this.#ends = ends
  }

  /** The replica came back with what its disk kept. */
  restarted(): void {
    this.#known.clear()
  }

  look(instance: Instance): void {
    const id = `${instance}`
    const before = this.#known.get(id)
    checkState(id, instance)
    if (before !== undefined) checkStep(id, before, instance)
    if (before?.attempt && before.attempt !== instance.attempt) this.#count(before.attempt, instance)
    const { phase, ballot, voteBallot, command, initDeps, attempt } = instance
    this.#known.set(id, { phase, ballot, voteBallot, command, initDeps, attempt })
  }

  #count(attempt: Attempt, after: Instance): void {
    for (const end of endsOf(attempt, after)) this.#ends.set(end, (this.#ends.get(end) as number) + 1)
  }
}

export function noEnds(): Map<End, number> {
  return new Map(ENDS.map((end) => [end, 0]))
}

/** The invariants that concern one instance at one replica. */
function checkState(id: string, instance: Instance): void {
  const { initDeps, command, phase, ballot, voteBallot, attempt } = instance
  if (voteBallot > 0 && phase < Phase.accepted) throw new Error(`${id} has a vote ballot without a vote`)
  if (voteBallot > ballot) throw new Error(`${id} voted above its promise`)
  const knows = initDeps !== null || phase !== Phase.none
  if (knows && command === Command.unknown) throw new Error(`${id} has forgotten its command`)
  if (attempt !== null && attempt.ballot !== ballot) {
    throw new Error(`${id} is coordinated in ballot ${attempt.ballot}, but is in ${ballot}`)
  }
}

function checkStep(id: string, before: Snapshot, after: Instance): void {
  if (after.phase < before.phase) throw new Error(`${id} went back from phase ${before.phase} to ${after.phase}`)
  if (after.ballot < before.ballot) throw new Error(`${id} went back to ballot ${after.ballot}`)
  if (after.voteBallot < before.voteBallot) throw new Error(`${id} went back to vote ballot ${after.voteBallot}`)
  if (!after.kept && before.initDeps !== null && (after.initDeps === null || !equal(before.initDeps, after.initDeps))) {
    throw new Error(`${id} had initial dependencies [${before.initDeps}], now [${after.initDeps}]`)
  }
  if (before.phase === Phase.accepted && after.phase === Phase.accepted && before.voteBallot === after.voteBallot) {
    if (before.command !== after.command) throw new Error(`${id} changed its vote in ballot ${after.voteBallot}`)
  }
  const voted = before.phase !== after.phase && after.phase !== Phase.preAccepted
  if (after.voteBallot > before.voteBallot && !voted && before.phase < Phase.accepted) {
    throw new Error(`${id} was given a vote ballot by a promise`)
  }
  if (before.phase === Phase.committed && before.command !== after.command) throw new Error(`${id} was decided twice`)
}

/** What the end of an attempt means; within the step it may have gone through more than one stage. */
function endsOf(attempt: Attempt, after: Instance): End[] {
  if (attempt.kind === 'preAccepting' || attempt.kind === 'accepting') return []
  const went = after.ballot === attempt.ballot ? (after.attempt?.kind ?? 'over') : 'given up'
  if (went === 'given up') {
    if (!after.committed) return ['given up for a higher ballot']
    return attempt.kind === 'recovering' ? ['a: committed'] : []
  }
  const accepts = after.attempt?.kind === 'accepting' || (after.committed && after.voteBallot === attempt.ballot)
  const noop = after.command === Command.noop
  if (attempt.kind === 'recovering') {
    if (went === 'validating') return ['e: validated']
    if (!accepts) return ['a: committed']
    if (attempt.answers.some((answer) => answer?.phase === Phase.accepted)) return ['b: accepted']
    return [hasVote(attempt.answered, after.row) ? 'c: no-op, the coordinator is in Q' : 'd: no-op, too few agree']
  }
  if (attempt.kind === 'validating') {
    if (went === 'waiting') return ['validated: waits']
    if (!accepts) return []
    return [noop ? 'validated: impossible' : 'validated: nothing invalidates']
  }
  if (!accepts) return ['waited: committed meanwhile']
  return [noop ? 'waited: no-op' : 'waited: harmless after all']
}
