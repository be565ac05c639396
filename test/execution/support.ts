import type { Engine } from '../../src/engine/engine.ts'
import { FootprintBuilder } from '../../src/engine/footprint.ts'
import { Executor } from '../../src/execution/executor.ts'
import type { GroupOptions } from '../../src/execution/groups.ts'
import { encodeExpire, encodeGroup, prepareGroup } from '../../src/execution/groups.ts'
import type { StateMachine } from '../../src/execution/machine.ts'
import { groupEnd, ResultReader, Status } from '../../src/execution/results.ts'
import { ExecutedSet } from '../../src/protocol/executed.ts'
import type { Batch } from '../../src/protocol/messages.ts'

export type { Batch }

import { checkedKeyValueStore } from '../support/checked-machine.ts'

const statusNames = Object.fromEntries(Object.entries(Status).map(([name, status]) => [status, name]))

/**
 * An engine for tests of the layers above it: instances execute one by one, in the order of their commits. As with a
 * real engine, the next call overwrites the returned order.
 */
export function orderOfCommits(replicas: number): Engine {
  let words: number[] = []
  const memory = new Float64Array(1024)
  const unused = () => {
    throw new Error('not used behind the engine')
  }
  return {
    replicas,
    dependencies: unused,
    enter: unused,
    conflicts: unused,
    writers: unused,
    writersBeyond: unused,
    blocker: unused,
    truncate: unused,
    restart: unused,
    enterExecuted: unused,
    footprint: unused,
    pending: 0,
    bytes: 0,
    commit(row, slot) {
      memory.fill(Number.NaN)
      words.push(1, row, slot)
    },
    execute() {
      memory.fill(Number.NaN)
      memory.set(words)
      const order = memory.subarray(0, words.length)
      words = []
      return order
    },
  }
}

export interface Request {
  readonly commands: readonly Uint8Array[]
  readonly options?: GroupOptions
}

export type Group = Request | { readonly expire: string }

/** The batch that a replica would make of these groups. */
export function batchOf(machine: StateMachine, groups: readonly Group[]): Batch {
  const keys = new FootprintBuilder()
  const parts = groups.map((group) => {
    const bytes = 'expire' in group ? encodeExpire(group.expire) : encodeGroup(group.commands, group.options)
    prepareGroup(bytes, machine, keys)
    return bytes
  })
  return { footprint: keys.take(), commands: Buffer.concat(parts) }
}

/** The execution of rows 0 and 1 at one replica, instance by instance in the given order. */
export class Replica {
  readonly machine: StateMachine
  readonly executor: Executor
  readonly executed: string[] = []
  readonly #batches = new Map<string, Batch | null>()
  readonly #next = [1, 1]
  #results: Uint8Array | null = null

  constructor(machine: StateMachine = checkedKeyValueStore(), ownRow = 0) {
    this.machine = machine
    const executed = new ExecutedSet(2)
    this.executor = new Executor({
      engine: orderOfCommits(2),
      executed,
      machine,
      ownRow,
      batchOf: (row, slot) => this.#batches.get(`${row}.${slot}`) as Batch | null,
      onExecuted: (row, slot, results) => {
        executed.add(row, slot)
        this.executed.push(`${row}.${slot}`)
        this.#results = results
      },
    })
  }

  /**
   * Executes the batch, or a no-op, as the next instance of a row; returns the results of its groups in words, null if
   * there are none.
   */
  execute(batch: Batch | null, row = 0): string[][] | null {
    const slot = this.#next[row] as number
    this.#next[row] = slot + 1
    this.#batches.set(`${row}.${slot}`, batch)
    this.executor.commit(row, slot, [0, 0])
    this.executor.run()
    return this.#results === null ? null : inWords(this.#results)
  }

  /** Executes groups in one instance. */
  run(...groups: Group[]): string[][] | null {
    return this.execute(batchOf(this.machine, groups))
  }
}

/** Per group and command: the status, and the machine's result in latin1 without its first byte. */
export function inWords(results: Uint8Array): string[][] {
  const groups: string[][] = []
  for (let start = 0; start < results.length; start = groupEnd(results, start)) {
    const reader = new ResultReader(results.subarray(start, groupEnd(results, start)))
    const words: string[] = []
    while (reader.next()) {
      const result = reader.result.length === 0 ? '' : ` ${reader.result[0]}${latin1(reader.result.subarray(1))}`
      words.push(`${statusNames[reader.status]}${result}`)
    }
    groups.push(words)
  }
  return groups
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}
