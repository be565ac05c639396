import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LmdbJournal } from '../../src/storage/lmdb.ts'
import { journalCompliance } from './compliance.ts'

journalCompliance(
  'lmdb',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'epaxos-journal-'))
    return {
      open: () => LmdbJournal.open(directory),
      remove: () => rm(directory, { recursive: true }),
    }
  },
  { keeps: true, breaks: false },
)
