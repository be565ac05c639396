import type { InstanceId, Vector } from '../engine/engine.ts'

/** Slots that follow each other. */
export interface Run {
  readonly row: number
  readonly first: number
  readonly count: number
}

/** What has executed: a prefix per row, and the slots after the first gap of each row. */
export interface Executed {
  readonly prefix: Vector
  /** By row, then ascending; between two of them slots are missing. */
  readonly runs: readonly Run[]
}

/** @param beyond per row the executed slots after the first gap, ascending */
export function executedOf(prefix: Vector, beyond: readonly (readonly number[])[]): Executed {
  return { prefix, runs: beyond.flatMap((slots, row) => runsOf(row, slots)) }
}

/** The runs of these slots, ascending, of a row. */
export function runsOf(row: number, slots: readonly number[]): Run[] {
  const runs: { row: number; first: number; count: number }[] = []
  for (const slot of slots) {
    const last = runs.at(-1)
    if (last !== undefined && slot === last.first + last.count) last.count++
    else runs.push({ row, first: slot, count: 1 })
  }
  return runs
}

export function* slotsOf({ first, count }: Run): Iterable<number> {
  for (let slot = first; slot < first + count; slot++) yield slot
}

/** Whether everything that has executed by `part` has executed by `whole`, too. */
export function contains(whole: Executed, part: Executed): boolean {
  const prefixes = part.prefix.map((last, row) => ({ row, first: 1, count: last }))
  return [...prefixes, ...part.runs].every((run) => covers(whole, run))
}

/** The same with one more instance. */
export function plus({ prefix, runs }: Executed, { row, slot }: InstanceId): Executed {
  return { prefix, runs: [...runs, { row, first: slot, count: 1 }] }
}

/**
 * The same, or more: if there are more than `most` runs, each row has one, without its gaps. Whatever contains that
 * contains `executed`.
 */
export function coarse(executed: Executed, most: number): Executed {
  if (executed.runs.length <= most) return executed
  const byRow = new Map<number, Run>()
  for (const run of executed.runs) {
    const first = byRow.get(run.row)?.first ?? run.first
    byRow.set(run.row, { row: run.row, first, count: run.first + run.count - first })
  }
  return { prefix: executed.prefix, runs: [...byRow.values()] }
}

function covers({ prefix, runs }: Executed, { row, first, count }: Run): boolean {
  const end = first + count
  const next = Math.max(first, (prefix[row] as number) + 1)
  return next >= end || runs.some((run) => run.row === row && run.first <= next && end <= run.first + run.count)
}
