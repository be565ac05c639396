import type { BackupFile } from '../../storage/backup-file.ts'

/** A backup, for people. */
export function backupText(path: string, { about, digest, bytes, reader }: BackupFile): string {
  const { cluster, clusterId, replicas, takenAt } = about
  const { id, epoch, executed, beyond } = reader.header
  const after = beyond.reduce((sum, slots) => sum + slots.length, 0)
  const rows: [name: string, text: string][] = [
    ['backup', `${path}, ${bytes} bytes`],
    ['digest', digest],
    ['taken', `${takenAt} from replica ${id} of ${replicas}, by its clock`],
    ['cluster', `${cluster}, id ${clusterId ?? 'none: it was never founded'}`],
    ['state', `epoch ${epoch}, executed ${executed.join(' ')}${after > 0 ? ` and ${after} after gaps` : ''}`],
    ['sections', reader.sections.map(({ name, bytes }) => `${name} ${bytes}`).join(', ')],
  ]
  return `${rows.map(([name, text]) => `${name.padEnd(12)} ${text}`).join('\n')}\n`
}
