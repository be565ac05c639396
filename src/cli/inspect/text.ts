import type { IdentityFile } from '../../storage/directory.ts'
import type { CheckpointContents, Contents } from './contents.ts'

/** The contents of a data directory, for people. */
export function contentsText({
  path,
  inUse,
  identity,
  members,
  starts,
  peers,
  journal,
  checkpoints,
  damages,
}: Contents): string {
  const { cluster, id, replicas, formatVersion, incarnation, origin, returning } = identity
  const records = Object.entries(journal.records).filter(([, count]) => count > 0)
  const lines: [name: string, ...texts: string[]][] = [
    ['directory', path],
    ['in use', inUse ? 'yes: a replica that is running uses it' : 'no'],
    ['replica', `${id < 0 ? joinerText(returning) : `${id} of ${replicas}`} of cluster ${cluster}`],
    ['epoch', String(members?.epoch ?? 0)],
    ['members', ...(members?.members ?? []).map((member) => `${member.id}: ${member.address}`)],
    ['format', String(formatVersion)],
    ['incarnation', incarnation],
    ['origin', origin === undefined ? 'none: it began empty' : `the backup ${origin}`],
    ['starts', String(starts)],
    ['peers', ...peers.map((peer) => `${peer.id}: ${peer.incarnation}, start ${peer.start}${peer.met ? ', met' : ''}`)],
    [
      'journal',
      journal.last === 0 ? 'no values' : `values ${journal.first} to ${journal.last}, ${journal.bytes} bytes`,
    ],
    ['records', records.map(([name, count]) => `${name} ${count}`).join(', ')],
    ['checkpoints', ...checkpoints.map(checkpointText)],
    ['damage', ...damages],
  ]
  const rows = lines.flatMap(([name, ...texts]) =>
    (texts.length === 0 ? ['none'] : texts).map((text, i) => `${(i === 0 ? name : '').padEnd(12)} ${text}`.trimEnd()),
  )
  return `${rows.join('\n')}\n`
}

function joinerText(returning: IdentityFile['returning']): string {
  return returning === undefined ? 'a joiner' : `a joiner, which was replica ${returning.id}`
}

function checkpointText({ number, header, sections }: CheckpointContents): string {
  const parts = sections.map(({ name, bytes }) => `${name} ${bytes}`).join(', ')
  return `${number}: as of value ${header.journal}, executed ${header.executed.join(' ')}; bytes: ${parts}`
}
