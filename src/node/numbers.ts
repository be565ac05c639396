import type { Numbers } from '../metrics/numbers.ts'
import type { Composition } from './composition.ts'
import { heldBytes } from './held-limit.ts'
import type { MemberOptions } from './member-options.ts'

/** The numbers of a member. What its clients get is counted outside of it ({@link Answers}). */
export type MemberNumbers = Omit<Numbers, 'done' | 'refused' | 'unknown' | 'answerMs'>

/** @param own what only the member itself knows */
export function numbersOf(
  { core, executor, proposals, reads, dropped, checkpointer, catchUp, space }: Composition,
  { identity, engine, journal }: MemberOptions,
  own: Pick<Numbers, 'ready' | 'replayMs'>,
): MemberNumbers {
  const { fast, slow, recovered, noop, recoveries, falseSuspicions, deferred, drops } = core.counts
  const { reads: readKeys, readsWaited, readsBlocked } = core.counts
  const { answered, inParts: in_parts, timedOut: timed_out, abandoned, refused } = reads.counts
  const { instances, commands, cycles, voidBatches } = executor.counts
  const { sessions, numbers: sessionNumbers, bytes: sessionBytes, tombstones } = executor.sessions.kept
  const { members } = identity.members
  const up = members.map(({ id }, row) => [id, Number(core.alive(row))] as const)
  return {
    ...own,
    epoch: identity.members.epoch,
    up: Object.fromEntries(up.filter(([id]) => id !== identity.id)),
    ...{ fast, slow, recovered, noop, recoveries, falseSuspicions, deferred },
    dropped: dropped.all(drops),
    committed: core.committed,
    executed: executor.executed.vector,
    oldestUncommittedMs: Math.round(core.oldestUncommittedMs),
    ...{ instances, commands, cycles, voidBatches },
    instancesHeld: core.heldInstances,
    heldBytes: heldBytes(core, engine),
    instancesForgotten: core.counts.forgotten,
    ...{ sessions, sessionNumbers, sessionBytes, tombstones },
    ...{ ticks: executor.sessions.ticks, sweeps: executor.sessions.generation },
    reads: { answered, in_parts, timed_out, abandoned, refused },
    ...{ readKeys, readsWaited, readsBlocked },
    ...proposals.load,
    journalBytes: journal?.bytes ?? 0,
    journalValues: journal?.last ?? 0,
    ...(checkpointer?.numbers ?? { checkpoints: 0, checkpointFailures: 0, checkpointBytes: 0 }),
    ...(catchUp?.numbers ?? NO_CATCH_UP),
    ...(space?.found ?? { freeBytes: null, nearlyFull: 0, full: 0 }),
  }
}

const NO_CATCH_UP = {
  ...{ checkpointsInstalled: 0, checkpointGivenBytes: 0, checkpointsNotYet: 0 },
  ...{ fetchedBytes: 0, fetchBytes: 0, fetchRemainingMs: 0 },
}

/** Those of a replica that waits to become a member. */
export const NO_MEMBER: MemberNumbers = {
  ...{ ready: 0, epoch: 0, up: {}, replayMs: 0 },
  ...{ fast: 0, slow: 0, recovered: 0, noop: 0, recoveries: 0, falseSuspicions: 0, deferred: 0, dropped: {} },
  ...{ committed: [], executed: [], oldestUncommittedMs: 0 },
  ...{ instances: 0, instancesHeld: 0, heldBytes: 0, instancesForgotten: 0, commands: 0, cycles: 0, voidBatches: 0 },
  ...{ sessions: 0, sessionNumbers: 0, sessionBytes: 0, tombstones: 0, ticks: 0, sweeps: 0 },
  ...{ reads: {}, readKeys: 0, readsWaited: 0, readsBlocked: 0 },
  ...{ running: 0, runningWork: 0, runningLimit: 0, flightMs: 0, waiting: 0, waitingBytes: 0 },
  ...{ journalBytes: 0, journalValues: 0, checkpoints: 0, checkpointFailures: 0, checkpointBytes: 0 },
  ...NO_CATCH_UP,
  ...{ freeBytes: null, nearlyFull: 0, full: 0 },
}
