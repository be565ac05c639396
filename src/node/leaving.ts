import { decodeRecords, encodeRecords } from '../codec/records.ts'
import type { Epochs } from '../protocol/epochs.ts'
import type { MemberRecord } from '../protocol/records.ts'
import type { CheckpointStore } from '../storage/checkpoints.ts'
import type { Journal } from '../storage/journal.ts'
import type { Claim, Identity, Refusal, Standing, Verdict } from '../transport/transport.ts'
import type { EpochStart } from './epoch-start.ts'
import { Incarnations } from './incarnations.ts'

export interface LeavingOptions {
  readonly identity: Identity
  readonly start: EpochStart
  /** In the epoch of `start`. */
  readonly epochs: Epochs
  readonly nonce: Uint8Array
  readonly journal: Journal
  readonly store: CheckpointStore
  readonly failed: (error: Error) => void
  /** So many members hold a checkpoint of their epoch that this replica is not needed any more. */
  readonly mayLeave: () => void
}

/**
 * A replica that was removed: it serves the closing checkpoint until a quorum of the new members has shown that they
 * hold it, or a later one, durably (protocol.md §11). Switched off before, it could take what was answered with it.
 */
export class Leaving {
  readonly #options: LeavingOptions
  readonly #incarnations: Incarnations
  #left = false
  /** By the number of the journal's value: what waits for it. */
  readonly #writing = new Map<number, { readonly resolve: () => void; readonly reject: (error: Error) => void }>()

  constructor(options: LeavingOptions) {
    const { identity, start, nonce } = options
    const { members, clusterId } = start
    this.#options = options
    this.#incarnations = new Incarnations({
      ...{ id: identity.id, members, clusterId, incarnation: identity.incarnation, origin: identity.origin, nonce },
      write: (records) => this.#write(records),
      heard: () => 0,
      superseded: () => {},
      founded: () => {},
    })
  }

  /** Writes this start down: no link may be made before. */
  async begin(): Promise<void> {
    const { store, journal, start, failed } = this.#options
    journal.onDurable(
      (upTo) => this.#onDurable(upTo),
      (error) => {
        for (const { reject } of this.#writing.values()) reject(error)
        failed(error)
      },
    )
    const take = (value: Uint8Array) =>
      decodeRecords(value, start.members, (record) => {
        if (!('slot' in record)) this.#incarnations.restore(record)
      })
    const reader = store.latest()
    if (reader !== null) take(Buffer.concat([...reader.chunks('members')]))
    for (const { value } of journal.scan((reader?.header.journal ?? 0) + 1)) take(value)
    reader?.close()
    this.#incarnations.restored()
    await this.#incarnations.start()
  }

  get standing(): Standing {
    return this.#incarnations.standing
  }

  async admit(peer: number, claim: Claim, dialled: boolean): Promise<Verdict | Refusal> {
    const verdict = await this.#incarnations.admit(peer, claim, dialled)
    if (verdict === 'yes') this.#heard(peer, claim)
    return verdict
  }

  #heard(peer: number, { epoch, replicas }: Claim): void {
    const { epochs, mayLeave } = this.#options
    // A joiner has nothing yet.
    if (replicas > 0) epochs.heard(peer, epoch)
    if (this.#left || !epochs.mayLeave) return
    this.#left = true
    mayLeave()
  }

  #onDurable(upTo: number): void {
    for (const [number, { resolve }] of this.#writing) {
      if (number > upTo) continue
      this.#writing.delete(number)
      resolve()
    }
  }

  #write(records: readonly MemberRecord[]): Promise<number> {
    const { journal } = this.#options
    const number = journal.append(encodeRecords(records))
    return new Promise((resolve, reject) => this.#writing.set(number, { resolve: () => resolve(number), reject }))
  }
}
