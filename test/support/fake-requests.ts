import { readU32 } from '../../src/execution/bytes.ts'
import { Status as ResultStatus, ResultWriter } from '../../src/execution/results.ts'
import { Durations } from '../../src/metrics/durations.ts'
import type { Numbers } from '../../src/metrics/numbers.ts'
import { statusOf, TABLE } from '../../src/metrics/table.ts'
import type { Backup, ChangeRequest, Consistency, Members, Requests, Respond } from '../../src/node/requests.ts'
import type { Status } from '../../src/node/status.ts'

const PUT_DONE = Uint8Array.of(0)

export type FakeMember = Members['members'][number]

/** A member that is up. */
export function fakeMember(id: number, client = ''): FakeMember {
  return { id, address: `127.0.0.1:${7100 + id}`, client, up: true }
}

/** A replica for front ends that need no cluster behind them: it says what a test sets, and does every command. */
export class FakeRequests implements Requests {
  id: number | null
  clusterId: string | null = 'c1'
  clientUrl = ''
  clientUrls: readonly string[] = []
  notReady: string | null = null
  readonly token = ''
  readonly ageMs = null
  epoch = 0
  nextId = 3
  present: readonly FakeMember[] = [0, 1, 2].map((id) => fakeMember(id))
  mayReturn: readonly number[] = []
  leaving = false
  /** What it was asked to change. */
  readonly changes: { readonly change: ChangeRequest; readonly force: boolean }[] = []
  /** Groups of commands that it has done. */
  done = 0
  /** And those that it has refused. */
  refused = 0
  /** Groups wait in {@link waiting} instead. */
  waits = false
  readonly waiting: (() => void)[] = []
  /** How it changes the members. */
  onChange: () => Promise<void> = async () => {}
  readonly #listeners = new Set<() => void>()

  constructor(id: number | null) {
    this.id = id
  }

  members(): Members {
    const { epoch, nextId, present: members, mayReturn, leaving } = this
    return { epoch, nextId, members, mayReturn, leaving }
  }

  async change(change: ChangeRequest, force: boolean): Promise<Members> {
    this.changes.push({ change, force })
    await this.onChange()
    return this.members()
  }

  /** The members of another epoch, as the replica learns them; those with a URL are reached there. */
  enter(epoch: number, members: readonly FakeMember[], leaving = false): void {
    this.epoch = epoch
    this.present = members
    this.clientUrls = members.map(({ client }) => client)
    this.leaving = leaving
    if (leaving) this.notReady = 'this replica was removed from the cluster'
    this.turn()
  }

  /** Ends a turn. */
  turn(): void {
    for (const listener of this.#listeners) listener()
  }

  submit(group: Uint8Array, respond: Respond): void {
    if (this.notReady !== null) {
      this.refused++
      return respond({ outcome: 'refused', code: 'not_ready', message: this.notReady })
    }
    const commands = readU32(group, 8)
    const answer = () => {
      this.done++
      const results = new ResultWriter()
      results.beginGroup()
      for (let i = 0; i < commands; i++) results.add(ResultStatus.applied, PUT_DONE)
      results.endGroup()
      respond({ outcome: 'done', results: results.take() })
      this.turn()
    }
    if (this.waits) this.waiting.push(answer)
    else setImmediate(answer)
  }

  read(group: Uint8Array, _: Consistency, respond: Respond): void {
    this.submit(group, respond)
  }

  async backup(): Promise<Backup> {
    throw new Error('there are no backups of a fake')
  }

  status(): Status {
    return {
      ...{ id: this.id, cluster: 'local', clusterId: this.clusterId },
      ...{ ready: this.notReady === null, reason: this.notReady ?? '' },
      replicas: this.present.map(({ id, client, up }) => ({ id, client, up })),
      ...statusOf(this.numbers()),
      ...{ durability: 'fsync', engine: 'wasm', server: 'node', stateHash: '00' },
    }
  }

  numbers(): Numbers {
    const numbers = Object.entries(TABLE).map(([name, { kind, by }]) => {
      return [name, kind === 'histogram' ? new Durations() : by === undefined ? 0 : by === 'row' ? [0, 0, 0] : {}]
    })
    return { ...(Object.fromEntries(numbers) as Numbers), epoch: this.epoch }
  }

  onTurn(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
