import type { Status } from '../../node/status.ts'
import type { Report } from './report.ts'

type Column = readonly [title: string, of: (status: Status) => string]

/** One line for each replica. */
export function statusTable(reports: readonly Report[]): string {
  const known = reports.filter((report): report is Status => !('error' in report))
  const clientOf = ({ id, replicas }: Status) => replicas[id]?.client ?? ''
  const columns: Column[] = [
    ['id', ({ id }) => String(id)],
    ['client', clientOf],
    ['ready', ({ ready, reason }) => (ready ? 'yes' : `no: ${reason}`)],
    [
      'sees',
      ({ replicas }) =>
        replicas
          .filter(({ up }) => up)
          .map(({ id }) => id)
          .join(','),
    ],
    ['epoch', ({ epoch }) => String(epoch)],
    ['committed', ({ committed }) => committed.join(' ')],
    ['executed', ({ executed }) => executed.join(' ')],
    ['lag', (status) => String(lagOf(status, known))],
    [
      'fast/slow/recovered/noop',
      ({ counts: { fast, slow, recovered, noop } }) => `${fast}/${slow}/${recovered}/${noop}`,
    ],
    ['uncommitted', ({ oldestUncommittedMs }) => `${oldestUncommittedMs} ms`],
    ['journal', ({ journalBytes }) => bytes(journalBytes)],
    ['replay', ({ replayMs }) => `${replayMs} ms`],
    ['durability', ({ durability }) => durability],
    ['engine', ({ engine }) => engine],
    ['state', ({ stateHash }) => stateHash],
  ]
  const rows = known.map((status) => columns.map(([, of]) => of(status)))
  const silent = reports.flatMap((report) => ('error' in report ? [`${report.id}  down: ${report.error}`] : []))
  return `${[...aligned([columns.map(([title]) => title), ...rows]), ...silent].join('\n')}\n`
}

/** Instances that some replica has executed and this one has not. */
function lagOf({ executed }: Status, known: readonly Status[]): number {
  return executed.reduce(
    (lag, slot, row) => lag + Math.max(...known.map((other) => other.executed[row] ?? 0)) - slot,
    0,
  )
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] as readonly string[]).map((_, i) => Math.max(...rows.map((row) => (row[i] as string).length)))
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] as number))
      .join('  ')
      .trimEnd(),
  )
}

function bytes(count: number): string {
  if (count < 1e6) return `${(count / 1e3).toFixed(1)} kB`
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(2)} GB`
}
