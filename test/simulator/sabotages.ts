import { decodeRecords } from '../../src/codec/records.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { Status } from '../../src/execution/results.ts'
import type { Member } from '../../src/node/member.ts'
import { RecordType } from '../../src/protocol/records.ts'
import type { Journal } from '../../src/storage/journal.ts'
import { members } from '../support/members.ts'
import type { SimulatedProcess } from './process.ts'
import type { Sabotage } from './sabotage.ts'

/** Defects that must be found, each with the properties that may reveal it. */
export const SABOTAGES: readonly { readonly name: string; readonly sabotage: Sabotage }[] = [
  {
    name: 'a disk that says durable before it is',
    sabotage: { journal: (journal, process) => hasty(journal, process, () => true) },
  },
  {
    name: 'fast commits that nothing waits for',
    sabotage: { journal: (journal, process) => hasty(journal, process, isCommitOnly) },
  },
  { name: 'sessions that know only the highest request', sabotage: { member: forgetfulSessions } },
  { name: 'components ordered as it comes', sabotage: { engine: arbitraryOrder() } },
  { name: 'dependencies without the newest of the first row', sabotage: { engine: shortSighted } },
]

/** Reports values behind the durable ones as durable at once, as far as `skips` allows for each. */
function hasty(journal: Journal, process: SimulatedProcess, skips: (value: Uint8Array) => boolean): Journal {
  let durable = journal.last
  let reported = durable
  const skipped = new Set<number>()
  let listener: (upTo: number) => void = () => {}
  const report = (): void => {
    while (skipped.delete(durable + 1)) durable++
    if (durable === reported) return
    reported = durable
    listener(durable)
  }
  return {
    get last() {
      return journal.last
    },
    get first() {
      return journal.first
    },
    get bytes() {
      return journal.bytes
    },
    append(value) {
      const number = journal.append(value)
      if (skips(value)) {
        skipped.add(number)
        process.soon(report)
      }
      return number
    },
    onDurable(onDurable, failed) {
      listener = onDurable
      journal.onDurable((upTo) => {
        durable = Math.max(durable, upTo)
        report()
      }, failed)
    },
    read: (number) => journal.read(number),
    scan: (from) => journal.scan(from),
    trim: (before) => journal.trim(before),
    close: () => journal.close(),
  }
}

function isCommitOnly(value: Uint8Array): boolean {
  let only = true
  decodeRecords(value, members(16), ({ type }) => {
    only &&= type === RecordType.com
  })
  return only
}

function forgetfulSessions({ executor }: Member): void {
  const { sessions } = executor
  const open = sessions.open.bind(sessions)
  sessions.open = (id) => {
    const session = open(id)
    if (session === null || Object.hasOwn(session, 'judge')) return session
    const judge = session.judge.bind(session)
    let highest = 0
    session.judge = (number, acknowledged) => {
      const status = judge(number, acknowledged)
      if (status === Status.applied && number < highest) return Status.expired
      highest = Math.max(highest, number)
      return status
    }
    return session
  }
}

/** Every second engine returns the members of a component in reverse order. */
function arbitraryOrder(): NonNullable<Sabotage['engine']> {
  let made = 0
  return (engine) => {
    if (made++ % 2 === 0) return engine
    const execute = engine.execute.bind(engine)
    return patched(engine, 'execute', () => backwards(execute()))
  }
}

function backwards(order: Float64Array): Float64Array {
  const result: number[] = []
  for (let at = 0; at < order.length; ) {
    const members = order[at] as number
    result.push(members)
    for (let i = members - 1; i >= 0; i--) result.push(order[at + 1 + 2 * i] as number, order[at + 2 + 2 * i] as number)
    at += 1 + 2 * members
  }
  return Float64Array.from(result)
}

function shortSighted(engine: Engine): Engine {
  const dependencies = engine.dependencies.bind(engine)
  return patched(engine, 'dependencies', (row, slot, footprint) =>
    dependencies(row, slot, footprint).map((highest, r) => (r === 0 && row !== 0 ? Math.max(0, highest - 1) : highest)),
  )
}

function patched<K extends 'execute' | 'dependencies'>(engine: Engine, name: K, method: Engine[K]): Engine {
  engine[name] = method
  return engine
}
