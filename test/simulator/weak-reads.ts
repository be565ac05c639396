import { FootprintBuilder, hashed } from '../../src/engine/footprint.ts'
import { encodeGroup } from '../../src/execution/groups.ts'
import { ResultReader, Status } from '../../src/execution/results.ts'
import type { Answer } from '../../src/node/requests.ts'
import type { Random } from '../support/random.ts'
import type { Life } from './life.ts'
import type { Recorded } from './record.ts'
import type { SimulatedReplica } from './simulated-replica.ts'
import type { Ask } from './workload.ts'
import type { World } from './world.ts'

/** A read that may lack some of what was answered before, but not everything. */
export interface WeakRead {
  readonly input: Ask
  readonly output: string | null
  /** It must see all updates of its key whose first execution anywhere was up to this moment. */
  readonly calledAt: number
  readonly returnedAt: number
}

/**
 * Reads that ask no quorum, once each, at a replica that may be anything but up to date: with the token of an answer,
 * or stale, with the age that the replica tells. Whether they are answered does not matter; what they show does.
 */
export class WeakReads {
  readonly #world: World
  readonly #replicas: readonly SimulatedReplica[]

  constructor(world: World, replicas: readonly SimulatedReplica[]) {
    this.#world = world
    this.#replicas = replicas
  }

  /** After the answer to an update, which brought the token. */
  follow(update: Recorded, token: string, reads: readonly Ask[], random: Random): void {
    const { record } = this.#world
    const own = reads.filter((input) => update.writes.includes(this.#keyOf(input)))
    const since = record.firstExecuted(update)
    if (own.length > 0 && since !== null) this.#read(random.pick(own), random, token, () => since)
    if (reads.length === 0) return
    const input = random.pick(reads)
    this.#read(input, random, '', (life) => this.#sinceOf(input, life))
  }

  #read(input: Ask, random: Random, min: string, sinceOf: (life: Life) => number): void {
    const { counters, record, time, workload } = this.#world
    const replica = this.#replicas[random.below(this.#replicas.length)] as SimulatedReplica
    const consistency = min === '' ? 'stale' : 'min'
    const respond = (life: Life, answer: Answer): void => {
      if (answer.outcome !== 'done') return counters.add(`${consistency} reads refused: ${answer.code}`)
      const reader = new ResultReader(answer.results)
      reader.next()
      if (reader.status !== Status.applied) return
      counters.add(`${consistency} reads`)
      const output = workload.output(input, reader.result)
      record.weak({ input, output, calledAt: sinceOf(life) })
    }
    time.after(random.next(), () => {
      const { life } = replica
      if (life === null) return
      // The process that is asked: when it answers, another one may be the replica.
      const answered = (answer: Answer): void => respond(life, answer)
      replica.submit(encodeGroup([workload.command(input)]), { consistency, min }, answered, () => {})
    })
  }

  /** What was answered before the state is said to be fresh; the clock of the replica may be fast or slow. */
  #sinceOf(input: Ask, { boot, member }: Life): number {
    const { counters, options, record, time } = this.#world
    const { ageMs } = member
    if (ageMs === null) return 0
    counters.add('stale reads with an age')
    const freshMs = time.now - ageMs / (options.clockRates[boot.id] as number)
    return record.answeredBefore(freshMs, this.#keyOf(input))
  }

  #keyOf(input: Ask): string {
    const { workload } = this.#world
    const command = workload.command(input)
    const keys = new FootprintBuilder()
    workload.machine().footprint(command, 0, command.length, keys)
    return keys.isOneRead() ? `${hashed.lo}:${hashed.hi}` : ''
  }
}
