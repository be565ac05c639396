import { FORMAT_VERSION } from '../../codec/limits.ts'
import { decodeRecords } from '../../codec/records.ts'
import { EpaxosError, ErrorCode } from '../../errors.ts'
import { type EpochStart, epochStartOf } from '../../node/epoch-start.ts'
import { foundingMembers, type Membership } from '../../protocol/membership.ts'
import { type JournalRecord, RecordType } from '../../protocol/records.ts'
import type { CheckpointHeader } from '../../storage/checkpoints.ts'
import type { InspectedDirectory } from '../../storage/inspected.ts'

/** Damages beyond so many are only counted. */
const MAX_TOLD = 20

const RECORD_NAMES = Object.entries(RecordType).map(([name, type]) => [type, name] as const)

export interface JournalContents {
  /** The numbers of the first and the last value; 0 for an empty journal. */
  readonly first: number
  readonly last: number
  readonly bytes: number
  /** How many records there are of each type. */
  readonly records: Readonly<Record<string, number>>
}

export interface CheckpointContents {
  readonly number: number
  readonly header: CheckpointHeader
  readonly sections: readonly { readonly name: string; readonly bytes: number }[]
}

export interface PeerContents {
  readonly id: number
  readonly incarnation: string
  /** The number of its latest start that is recorded here. */
  readonly start: number
  /** It has recorded all members, the same as this replica. */
  readonly met: boolean
}

/** What is in a data directory. */
export interface Contents {
  readonly path: string
  readonly inUse: boolean
  readonly identity: InspectedDirectory['identity']
  /** The members as of the newest checkpoint; null in epoch 0. */
  readonly members: Membership | null
  /** How often the directory was started. */
  readonly starts: number
  readonly peers: readonly PeerContents[]
  readonly journal: JournalContents
  readonly checkpoints: readonly CheckpointContents[]
  readonly damages: readonly string[]
}

/** Reads all of the directory. Rejects with an `EpaxosError` if it cannot be read; damage is part of the result. */
export function contentsOf(directory: InspectedDirectory): Contents {
  const reading = new Reading(directory)
  const { path, inUse, identity } = directory
  if (identity.formatVersion !== FORMAT_VERSION) {
    const why = `${path} has format ${identity.formatVersion}, and this program reads ${FORMAT_VERSION}`
    throw new EpaxosError(ErrorCode.foreignDirectory, why)
  }
  const checkpoints = directory.checkpoints.flatMap((number) => reading.checkpoint(number))
  const journal = reading.journal()
  reading.checkLink(checkpoints, journal)
  const { members, starts, peers, damages } = reading
  return { path, inUse, identity, members, starts, peers, journal, checkpoints, damages }
}

class Reading {
  starts = 0
  readonly damages: string[] = []
  readonly #directory: InspectedDirectory
  #members: Membership
  /** Of the epoch of the newest checkpoint; null in epoch 0. */
  members: Membership | null = null
  /** Values of the journal up to here are of earlier epochs. */
  #earlier = 0
  readonly #peers = new Map<number, Omit<PeerContents, 'met'>>()
  readonly #met = new Set<number>()

  constructor(directory: InspectedDirectory) {
    this.#directory = directory
    const { replicas } = directory.identity
    // A joiner that was never a member has nothing of any.
    this.#members = foundingMembers(Array.from({ length: Math.max(1, replicas) }, (_, id) => `replica-${id}:1`))
  }

  get peers(): readonly PeerContents[] {
    const peers = [...this.#peers.values()].sort((a, b) => a.id - b.id)
    return peers.map((peer) => ({ ...peer, met: this.#met.has(peer.id) }))
  }

  checkpoint(number: number): CheckpointContents[] {
    return this.#try<CheckpointContents[]>([], () => {
      const reader = this.#directory.checkpoint(number)
      const { header } = reader
      this.#enter(epochStartOf(reader), header.journal)
      const sections = reader.sections.map(({ name, bytes }) => ({ name, bytes }))
      // Each chunk is checked when it is read.
      for (const { name } of sections) for (const _ of reader.chunks(name));
      this.#decode(Buffer.concat([...reader.chunks('members')]))
      return [{ number, header, sections }]
    })
  }

  #enter(start: EpochStart | null, journal: number): void {
    if (start === null) return
    this.members = this.#members = start.members
    this.#earlier = journal
  }

  journal(): JournalContents {
    let [first, last, bytes] = [0, 0, 0]
    const counts = new Map<number, number>()
    this.#try(undefined, () => {
      for (const { number, value } of this.#directory.journal()) {
        if (first === 0) first = number
        else if (number !== last + 1) this.#damage(`the values ${last + 1} to ${number - 1} of the journal are missing`)
        last = number
        bytes += value.length
        if (number <= this.#earlier) continue
        this.#try(undefined, () => this.#decode(value, counts), `value ${number} of the journal: `)
      }
    })
    const records = RECORD_NAMES.map(([type, name]) => [name, counts.get(type) ?? 0])
    return { first, last, bytes, records: Object.fromEntries(records) }
  }

  /** A restart needs a whole checkpoint and all of the journal after it. */
  checkLink(checkpoints: readonly CheckpointContents[], { first, last }: JournalContents): void {
    const newest = checkpoints.at(-1)
    const before = newest?.header.journal ?? 0
    const beganEmpty = newest !== undefined || this.#directory.identity.origin === undefined
    if (first <= before + 1 && last >= before && beganEmpty) return
    const start = newest === undefined ? 'there is no checkpoint' : `the last checkpoint is as of value ${before}`
    this.#damage(`the journal has the values ${first} to ${last}, and ${start}`)
  }

  #decode(value: Uint8Array, counts = new Map<number, number>()): void {
    decodeRecords(value, this.#members, (record) => {
      counts.set(record.type, (counts.get(record.type) ?? 0) + 1)
      this.#note(record)
    })
  }

  #note(record: JournalRecord): void {
    if (record.type === RecordType.start) this.starts = Math.max(this.starts, record.number)
    else if (record.type === RecordType.met) this.#met.add(record.id)
    else if (record.type === RecordType.peer) {
      const incarnation = Buffer.from(record.incarnation).toString('hex')
      this.#peers.set(record.id, { id: record.id, incarnation, start: record.start.number })
    }
  }

  /** The result of the reading, or what stands for it if something is damaged. */
  #try<T>(otherwise: T, read: () => T, where = ''): T {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof EpaxosError) || !isDamage(error)) throw error
      this.#damage(where + error.message)
      return otherwise
    }
  }

  #damage(what: string): void {
    if (this.damages.length < MAX_TOLD) this.damages.push(what)
    else if (this.damages.length === MAX_TOLD) this.damages.push('and more')
  }
}

function isDamage({ code }: EpaxosError): boolean {
  return code === ErrorCode.damaged || code === ErrorCode.malformed || code === ErrorCode.tooLarge
}
