import { decodeImage } from '../codec/image.ts'
import { FORMAT_VERSION } from '../codec/limits.ts'
import { decodeRecords } from '../codec/records.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import type { Executor } from '../execution/executor.ts'
import type { Core } from '../protocol/core.ts'
import type { CheckpointReader, CheckpointStore } from '../storage/checkpoints.ts'
import type { Journal } from '../storage/journal.ts'
import type { MemberIdentity } from '../transport/transport.ts'
import type { Clock } from './clock.ts'
import type { Incarnations } from './incarnations.ts'
import type { Logger } from './logger.ts'

export interface RestoreOptions {
  readonly store: Pick<CheckpointStore, 'whole' | 'read' | 'settle'>
  readonly journal: Journal
  readonly identity: MemberIdentity
  readonly core: Core
  readonly executor: Executor
  readonly incarnations: Incarnations
  /** The machine and the sessions have the state of the newest checkpoint already. */
  readonly hasState: boolean
  readonly clock: Clock
  readonly logger: Logger
}

/** The checkpoint that a replica was restored from. */
export interface Restored {
  /** It holds the effects of the journal's values up to this number; 0 without a checkpoint. */
  readonly number: number
  readonly bytes: number
}

/** How often the event loop may continue, in ms. */
const SLICE_MS = 20

/** The sections that the executor restores. */
const STATE: readonly string[] = ['machine', 'sessions']

const WHAT_TO_DO =
  'Nothing that was answered is lost as long as a majority of the other replicas has its disks. This directory lacks ' +
  'votes and must not be used again: put back an undamaged disk of this replica, or replace it by a new member'

/**
 * Restores everything from the newest checkpoint, if there is one. A damaged one is never used: then it takes the one
 * before it, or no checkpoint, if the journal still reaches back so far. A directory that was restored from a backup
 * began with a checkpoint: its journal alone is never enough.
 *
 * @throws EpaxosError `damaged` if the journal does not reach back, with a message that says what to do
 */
export async function restoreCheckpoint(options: RestoreOptions): Promise<Restored> {
  const { store, journal, logger } = options
  const damages: string[] = []
  for (const number of [...store.whole].reverse()) {
    const reader = await readUndamaged(options, number, (message) => {
      damages.push(message)
      logger.error({ error: message }, 'a checkpoint is damaged: it is not used')
    })
    if (reader === null) continue
    const { header, bytes } = reader
    const has = `the journal has the values ${journal.first} to ${journal.last}`
    // A checkpoint is written when the values before it are durable: what is missing now was lost.
    if (journal.last < header.journal) throw damaged([...damages, `${has}, not ${header.journal}`])
    if (journal.first > header.journal + 1) {
      damages.push(`${has}, not those after ${header.journal}`)
      break
    }
    if (header.epoch !== options.identity.members.epoch) {
      damages.push(`the checkpoint before is of epoch ${header.epoch}`)
      reader.close()
      break
    }
    takeOver(options, reader)
    reader.close()
    if (damages.length === 0) store.settle()
    logger.info({ checkpoint: number, journal: header.journal, bytes }, 'restored from a checkpoint')
    return { number: header.journal, bytes }
  }
  const { origin, members } = options.identity
  if (journal.first > 1 || origin !== undefined || members.epoch > 0) {
    if (damages.length === 0) damages.push(`the journal begins with value ${journal.first}, and there is no checkpoint`)
    throw damaged(damages)
  }
  return { number: 0, bytes: 0 }
}

function damaged(damages: readonly string[]): EpaxosError {
  return new EpaxosError(ErrorCode.damaged, `${damages.join('; ')}. ${WHAT_TO_DO}`)
}

/** A reader of which every chunk is what was written; null otherwise. */
async function readUndamaged(
  { store, identity, hasState, clock }: RestoreOptions,
  number: number,
  onDamage: (message: string) => void,
): Promise<CheckpointReader | null> {
  let reader: CheckpointReader | null = null
  try {
    reader = store.read(number)
    checkHeader(reader, identity)
    let sliceEnd = clock.now() + SLICE_MS
    for (const { name } of reader.sections) {
      if (hasState && STATE.includes(name)) continue
      for (const _ of reader.chunks(name)) {
        if (clock.now() < sliceEnd) continue
        await new Promise<void>((resolve) => clock.soon(resolve))
        sliceEnd = clock.now() + SLICE_MS
      }
    }
    return reader
  } catch (error) {
    reader?.close()
    if (!(error instanceof EpaxosError) || error.code !== ErrorCode.damaged) throw error
    onDamage(error.message)
    return null
  }
}

function checkHeader({ header }: CheckpointReader, { cluster, id }: MemberIdentity): void {
  const { formatVersion } = header
  if (formatVersion !== FORMAT_VERSION) {
    const versions = `format ${formatVersion}, this program reads ${FORMAT_VERSION}`
    throw new EpaxosError(ErrorCode.foreignDirectory, `the checkpoint was written by another version (${versions})`)
  }
  if (header.cluster === cluster && header.id === id) return
  const whose = `replica ${header.id} of cluster ${header.cluster} in epoch ${header.epoch}`
  throw new EpaxosError(ErrorCode.foreignDirectory, `the checkpoint is of ${whose}`)
}

/** The chunks are undamaged: what cannot be read now was written wrongly, and the replica must stop. */
function takeOver(
  { identity, core, executor, incarnations, hasState }: RestoreOptions,
  reader: CheckpointReader,
): void {
  const { members } = identity
  decodeRecords(Buffer.concat([...reader.chunks('members')]), members, (record) => {
    if (!('slot' in record)) incarnations.restore(record)
  })
  for (const part of decodeImage(reader.chunks('core'), members)) core.restore(part)
  if (!hasState) executor.restore((section) => reader.chunks(section))
}
