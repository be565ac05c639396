import type { Vector } from '../../src/engine/engine.ts'
import type { Instance } from '../../src/protocol/instance.ts'
import { Command, Phase } from '../../src/protocol/messages.ts'
import { equal } from '../../src/protocol/vector.ts'

/** The state of one instance at one replica, before a step. */
export interface Snapshot {
  readonly phase: Phase
  readonly ballot: number
  readonly voteBallot: number
  readonly command: Command
  readonly initDeps: Vector | null
  readonly deps: Vector | null
}

export function snapshot({ phase, ballot, voteBallot, command, initDeps, deps }: Instance): Snapshot {
  return { phase, ballot, voteBallot, command, initDeps, deps }
}

/** The invariants of protocol.md §5 on one state of one replica. */
export function checkState(instance: Instance): void {
  const { phase, ballot, voteBallot, command, initDeps, attempt } = instance
  const voted = phase === Phase.accepted || phase === Phase.committed
  demand(voteBallot === 0 || voted, `${instance} has a vote ballot without a vote`)
  demand(voteBallot <= ballot, `${instance} voted above its promise`)
  const knows = initDeps !== null || phase !== Phase.none
  demand(!knows || command !== Command.unknown, `${instance} has forgotten its command`)
  demand(attempt === null || attempt.ballot === ballot, `${instance} is coordinated in a ballot that it has left`)
}

/** The invariants of protocol.md §5 on a step from one state of a replica to the next. */
export function checkStep(before: Snapshot, after: Instance): void {
  demand(after.phase >= before.phase, `${after} went back from phase ${before.phase} to ${after.phase}`)
  demand(after.ballot >= before.ballot, `${after} went back to ballot ${after.ballot}`)
  demand(after.voteBallot >= before.voteBallot, `${after} went back to vote ballot ${after.voteBallot}`)
  if (before.initDeps !== null && !after.kept) {
    const same = after.initDeps !== null && equal(before.initDeps, after.initDeps)
    demand(same, `${after} had initial dependencies [${before.initDeps}], now [${after.initDeps}]`)
  }
  const sameDeps = before.deps !== null && after.deps !== null && equal(before.deps, after.deps)
  const sameVote = before.phase === after.phase && before.voteBallot === after.voteBallot
  if (before.phase === Phase.preAccepted && after.phase === Phase.preAccepted) {
    demand(sameDeps, `${after} was pre-accepted twice`)
  }
  if (before.phase === Phase.accepted && sameVote) {
    demand(sameDeps && before.command === after.command, `${after} changed its vote in ballot ${after.voteBallot}`)
  }
  if (before.phase === Phase.committed) {
    demand(sameDeps && before.command === after.command, `Agreement: ${after} was decided twice`)
  }
}

function demand(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what)
}
