import type { Status } from '../../node/status.ts'
import { aligned } from '../aligned.ts'
import type { Report } from './report.ts'

type Column = readonly [title: string, of: (status: Status) => string]

/** One line for each replica. */
export function statusTable(reports: readonly Report[]): string {
  const known = reports.filter((report): report is Status => !('error' in report))
  const clientOf = ({ id, replicas }: Status) => replicas.find((replica) => replica.id === id)?.client ?? ''
  const columns: Column[] = [
    ['id', ({ id }) => (id === null ? 'joins' : String(id))],
    ['client', clientOf],
    ['ready', ({ ready, reason }) => (ready ? 'yes' : `no: ${reason}`)],
    ['epoch', ({ epoch }) => String(epoch)],
    ['members', ({ replicas }) => idsOf(replicas)],
    ['sees', ({ replicas }) => idsOf(replicas.filter(({ up }) => up))],
    ['committed', ({ committed }) => committed.join(' ')],
    ['executed', ({ executed }) => executed.join(' ')],
    ['lag', (status) => lagOf(status, known)],
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
  const rows = known.map((status) => columns.map(([, of]) => of(status) || '-'))
  const silent = reports.flatMap((report) => ('error' in report ? [`${report.id}  down: ${report.error}`] : []))
  return `${[...aligned([columns.map(([title]) => title), ...rows]), ...silent].join('\n')}\n`
}

function idsOf(replicas: Status['replicas']): string {
  return replicas.map(({ id }) => id).join(',')
}

/** Instances that some replica has executed and this one has not. Slots of two epochs cannot be compared. */
function lagOf({ epoch, executed }: Status, known: readonly Status[]): string {
  if (known.some((other) => other.epoch > epoch)) return 'an epoch'
  const same = known.filter((other) => other.epoch === epoch)
  const lags = executed.map((slot, row) => Math.max(...same.map((other) => other.executed[row] ?? 0)) - slot)
  return String(lags.reduce((sum, lag) => sum + lag, 0))
}

function bytes(count: number): string {
  if (count < 1e6) return `${(count / 1e3).toFixed(1)} kB`
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(2)} GB`
}
