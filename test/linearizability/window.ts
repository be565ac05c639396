import type { Model, Operation } from './history.ts'

/** Operations shown before and after the one that has no place. */
const AROUND = 8

/**
 * A picture of the place where a history stops being linearizable: the last linearized operations, and the operations
 * open there, each as a line from its call to its return.
 */
export function drawWindow<I, O, S>(
  model: Model<I, O, S>,
  ops: readonly Operation<I, O>[],
  longest: readonly number[],
): string {
  const placed = new Set(longest)
  const stuck = ops
    .filter((op, i) => !placed.has(i) && Number.isFinite(op.returnedAt))
    .sort((a, b) => a.returnedAt - b.returnedAt)[0]
  const [from, to] = stuck === undefined ? [0, 0] : [stuck.calledAt, stuck.returnedAt]
  const concurrent = ops.filter((op) => op.calledAt <= to && op.returnedAt >= from)
  const before = longest.slice(-AROUND).map((i) => ops[i] as Operation<I, O>)
  const shown = [...new Set([...before, ...(stuck ? [stuck] : []), ...concurrent.slice(0, 2 * AROUND)])].sort(
    (a, b) => a.calledAt - b.calledAt,
  )
  const times = [...new Set(shown.flatMap((op) => [op.calledAt, op.returnedAt]).filter(Number.isFinite))].sort(
    (a, b) => a - b,
  )
  const column = (at: number): number => (Number.isFinite(at) ? times.indexOf(at) : times.length)
  const lines = shown.map((op) => {
    const [start, end] = [column(op.calledAt), column(op.returnedAt)]
    const bar = `${' '.repeat(start)}|${'-'.repeat(Math.max(0, end - start - 1))}${op.output === null ? '?' : '|'}`
    const place = longest.indexOf(ops.indexOf(op))
    const note = op === stuck ? '  <- cannot be placed' : place < 0 ? '' : `  #${place + 1}`
    return `${bar.padEnd(times.length + 2)} ${op.process}: ${model.describe(op.input, op.output)}${note}`
  })
  return lines.join('\n')
}
