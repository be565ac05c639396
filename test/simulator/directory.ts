import { decodeRecords } from '../../src/codec/records.ts'
import { type PeerRecord, RecordType } from '../../src/protocol/records.ts'
import type { MemoryDisk } from '../../src/storage/memory.ts'
import type { MemoryCheckpoints } from '../../src/storage/memory-checkpoints.ts'
import { members } from '../support/members.ts'
import type { Execution } from './decisions.ts'
import type { Life } from './life.ts'
import { DiskSpace } from './simulated-space.ts'

export interface Disks {
  readonly disk: MemoryDisk
  readonly checkpoints: MemoryCheckpoints
}

/** A data directory: a disk, its incarnation, and what its durable records say about the members. */
export class Directory {
  readonly incarnation: Uint8Array
  readonly disk: MemoryDisk
  readonly checkpoints: MemoryCheckpoints
  /** By the journal number of a checkpoint: what had executed. */
  readonly executions = new Map<number, Execution>()
  /** Repairs what is damaged. */
  undo: () => void = () => {}
  readonly space: DiskSpace
  /** The process that uses it. */
  life: Life | null = null
  /** Recorded starts. */
  starts = 0
  readonly peers = new Map<number, PeerRecord>()
  readonly met = new Set<number>()
  readonly #replicas: number
  #readUpTo = 0

  constructor(incarnation: Uint8Array, replicas: number, makeDisks: (directory: () => Directory) => Disks) {
    this.incarnation = incarnation
    this.#replicas = replicas
    const { disk, checkpoints } = makeDisks(() => this)
    this.disk = disk
    this.checkpoints = checkpoints
    this.space = new DiskSpace(() => disk.bytes + checkpoints.bytes)
  }

  /** It is a copy of another directory: it knows what the trimmed part of the journal said. */
  inherit(other: Directory): this {
    other.refresh()
    for (const [row, peer] of other.peers) this.peers.set(row, peer)
    for (const row of other.met) this.met.add(row)
    for (const [number, execution] of other.executions) this.executions.set(number, execution)
    this.starts = other.starts
    this.#readUpTo = other.#readUpTo
    return this
  }

  /** Reads what became durable since the last call. */
  refresh(): this {
    for (const { number, value } of this.disk.durable(this.#readUpTo + 1)) {
      this.#readUpTo = number
      decodeRecords(value, members(this.#replicas), (record) => {
        if (record.type === RecordType.peer) this.peers.set(record.id, record)
        else if (record.type === RecordType.met) this.met.add(record.id)
        else if (record.type === RecordType.start) this.starts = record.number
      })
    }
    return this
  }

  get founded(): boolean {
    return this.met.size === this.#replicas - 1 && this.starts > 0
  }

  knows(row: number, incarnation: Uint8Array): boolean {
    return isSame(this.peers.get(row)?.incarnation, incarnation)
  }
}

export function isSame(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0
}
