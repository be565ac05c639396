import { EVERYTHING, type Footprint, FootprintBuilder } from '../../src/engine/footprint.ts'
import { fromLatin1, latin1 } from '../../src/execution/bytes.ts'
import { encodeExpire, encodeGroup, encodeOpen } from '../../src/execution/groups.ts'
import type { StateMachine } from '../../src/execution/machine.ts'
import { ResultReader, Status } from '../../src/execution/results.ts'
import type { Answer, Consistency } from '../../src/node/requests.ts'
import type { Random } from '../support/random.ts'
import { stream } from './options.ts'
import { type Record, type Recorded, sessionGroup } from './record.ts'
import type { SimulatedReplica } from './simulated-replica.ts'
import { Violation } from './violation.ts'
import { WeakReads } from './weak-reads.ts'
import type { Ask } from './workload.ts'
import type { World } from './world.ts'

interface ClientSession {
  /** Empty before it is opened. */
  readonly name: string
  /** The number of the next command, and the unanswered numbers below it. */
  next: number
  readonly unanswered: Set<number>
}

function openSession(name: string): ClientSession {
  return { name, next: 1, unanswered: new Set() }
}

/** What a client waits for: commands that were sent together, or the expiry of its session. */
interface Request {
  readonly operations: readonly Recorded[]
  readonly group: Uint8Array
  /** The first command is not one of `operations`. */
  readonly marked: boolean
  readonly session: ClientSession
  /** The number of the first command in its session; 0 without one. */
  readonly first: number
  /** Sent again until it is answered, by any replica. */
  readonly repeatable: boolean
  /** Which way it takes through the replica. */
  readonly how: Consistency
  /** Times it was sent. */
  tries: number
  open: boolean
  /** What it repeats after the end of its session; null if it repeats nothing. */
  readonly repeats: readonly Recorded[] | null
  /** Its result is the name of a session. */
  readonly isOpening: boolean
  readonly whenDone: () => void
}

/** Between a client and a replica, one way, in ms. */
const HOP_MS = 0.5
/** A client without think time still lets time advance. */
const LEAST_PAUSE_MS = 0.2
/** The pause after a refusal, before it tries elsewhere. */
const PAUSE_MS = 20
const MAX_GROUP = 3
/** The part of the reads of one key that asks a quorum; the others go through the log. */
const UNLOGGED = 0.7
/** The part of the reads after an update that asks nobody. */
const WEAK = 0.4

/**
 * A client as surface.md promises it. With a session it sends again, anywhere, until it has an answer. Without a
 * session it sends once, and if no answer comes the outcome is unknown.
 */
export class SimulatedClient {
  readonly id: number
  readonly #world: World
  readonly #replicas: readonly SimulatedReplica[]
  readonly #record: Record
  readonly #random: Random
  /** Which way reads take: draws of its own, so that all others stay what they were. */
  readonly #readRandom: Random
  readonly #weakReads: WeakReads
  /** Of the last answer. */
  #token = ''
  /** The probability that a read follows an update at once. */
  readonly #chases: number
  readonly #hasSession: boolean
  /** Only used for footprints; nothing is applied to it. */
  readonly #machine: StateMachine
  #session = openSession('')
  #sessions = 0
  readonly #open = new Set<Request>()
  #target: number
  #left: number
  #draws = 0
  #stopped = false
  #expiring = false
  #opening = false
  #last: Request | null = null

  constructor(world: World, id: number, replicas: readonly SimulatedReplica[], record: Record) {
    const { seed, clients } = world.options
    this.id = id
    this.#world = world
    this.#replicas = replicas
    this.#record = record
    this.#random = stream(seed, `client ${id}`)
    this.#readRandom = stream(seed, `reads of client ${id}`)
    this.#weakReads = new WeakReads(world, replicas)
    this.#chases = this.#readRandom.pick([0, 0.3, 1])
    this.#machine = world.workload.machine()
    this.#hasSession = id < clients.withSession
    this.#target = this.#random.below(replicas.length)
    this.#left = clients.operations
    this.#newSession()
  }

  /** Requests without an answer. */
  get waiting(): number {
    return this.#open.size
  }

  start(): void {
    const { thinkMs, window } = this.#world.options.clients
    this.#world.time.after(LEAST_PAUSE_MS + 2 * this.#random.next() * thinkMs, () => {
      if (this.#stopped || this.#left === 0) return
      if (this.#hasSession && this.#session.name === '') this.#openSession()
      else if (this.#open.size < window && !this.#expiring) this.#ask()
      this.start()
    })
  }

  /** Asks for nothing new. */
  stop(): void {
    this.#stopped = true
  }

  /** Forgets its requests, as a new process would. */
  restart(): void {
    this.#world.happened('client ends', this.id)
    for (const request of this.#open) request.open = false
    this.#open.clear()
    this.#expiring = false
    this.#opening = false
    this.#last = null
    this.#newSession()
  }

  /** Sends this to a replica, whatever is in flight. */
  ask(input: Ask, replica: number): void {
    this.#target = replica
    this.#send(this.#request([input]))
  }

  /** Sends anything to a replica, if the session is open. */
  askSomething(replica: number): void {
    if (!this.#expiring) this.ask(this.#draw(), replica)
  }

  #ask(): void {
    const { expire, hedge } = this.#world.options.clients
    if (this.#session.name !== '' && this.#open.size === 0 && this.#random.chance(expire)) return this.#expire()
    const count = this.#random.chance(0.9) ? 1 : 2 + this.#random.below(MAX_GROUP - 1)
    this.#left = Math.max(0, this.#left - count)
    const request = this.#request(Array.from({ length: count }, () => this.#draw()))
    this.#send(request)
    if (request.repeatable && this.#random.chance(hedge)) this.#attempt(request, this.#other())
  }

  #draw(): Ask {
    const { pools, workload, time } = this.#world
    return workload.draw(this.#random, pools.draw(this.#random, time.now), `${this.id}x${++this.#draws}`)
  }

  #request(inputs: readonly Ask[]): Request {
    const { workload } = this.#world
    const commands = inputs.map(workload.command)
    if (commands.every((command) => this.#readsOneKey(command)) && this.#readRandom.chance(UNLOGGED)) {
      const operations = inputs.map((input) => this.#record.read(this.id, input))
      return this.#quorumRead(operations)
    }
    if (this.#session.name === '') {
      // Identifies its group, because it occurs once.
      const marker = workload.marker?.(`${this.id}m${++this.#draws}`)
      const sent = marker === undefined ? commands : [marker, ...commands]
      const name = sent[0] as Uint8Array
      const operations = inputs.map((input) => this.#call(input, latin1(name, 0, name.length), null))
      const marked = marker !== undefined
      const group = encodeGroup(sent)
      return { ...FRESH, session: this.#session, operations, marked, group, first: 0, repeatable: false }
    }
    const session = this.#session
    const { name, next: first, unanswered } = session
    session.next += commands.length
    for (let number = first; number < session.next; number++) unanswered.add(number)
    const acknowledged = Math.min(...unanswered) - 1
    const group = encodeGroup(commands, { session: fromLatin1(name), first, acknowledged })
    const operations = inputs.map((input, i) => this.#call(input, sessionGroup(name, first), `${name}#${first + i}`))
    return { ...FRESH, session, operations, group, first, repeatable: true }
  }

  #readsOneKey(command: Uint8Array): boolean {
    const keys = new FootprintBuilder()
    this.#machine.footprint(command, 0, command.length, keys)
    return keys.isOneRead()
  }

  #quorumRead(operations: readonly Recorded[]): Request {
    const group = encodeGroup(operations.map(({ input }) => this.#world.workload.command(input)))
    const session = openSession('')
    return { ...FRESH, session, operations, group, first: 0, repeatable: true, how: 'linearizable' }
  }

  #newSession(): void {
    const { opens } = this.#world.options.clients
    const hasName = this.#hasSession && !opens
    this.#session = openSession(hasName ? `client ${this.id} session ${++this.#sessions}` : '')
  }

  #openSession(): void {
    if (this.#opening) return
    this.#opening = true
    this.#send({
      ...FRESH,
      session: this.#session,
      operations: [],
      group: encodeOpen(),
      first: 0,
      repeatable: true,
      isOpening: true,
    })
  }

  #opened(session: ClientSession, { status, result }: ResultReader): void {
    if (status !== Status.applied) throw new Violation('Sessions', `status ${status} of an opening`)
    this.#world.counters.add('sessions opened by a command')
    this.#opening = false
    if (session === this.#session) this.#session = openSession(latin1(result, 0, result.length))
  }

  /** Afterwards the session is closed for good: the answer to a repeated request of it must say so. */
  #expire(): void {
    const last = this.#last
    this.#expiring = true
    const session = this.#session
    const group = encodeExpire(fromLatin1(session.name))
    this.#world.counters.add('sessions expired')
    const whenDone = (): void => {
      this.#expiring = false
      this.#newSession()
      if (last === null) return
      this.#send({ ...last, ...FRESH, operations: [], repeats: last.operations })
    }
    this.#last = null
    this.#send({ ...FRESH, session, operations: [], group, first: 0, repeatable: true, whenDone })
  }

  #call(input: Ask, group: string, request: string | null): Recorded {
    const keys = new FootprintBuilder()
    const command = this.#world.workload.command(input)
    this.#machine.footprint(command, 0, command.length, keys)
    const onlyReads = keys.writes === 0
    const writes = writtenKeys(keys.take())
    return this.#record.call({ process: this.id, input, group, onlyReads, request: onlyReads ? null : request, writes })
  }

  #send(request: Request): void {
    this.#open.add(request)
    this.#attempt(request, this.#target)
  }

  #attempt(request: Request, replica: number): void {
    if (!request.open) return
    const { time, options } = this.#world
    const attempt = ++request.tries
    if (attempt > 1) this.#world.counters.add('requests sent again')
    this.#world.happened('asks', this.id, replica, ...request.operations.map(({ input }) => input.text))
    let heard = false
    time.after(HOP_MS, () => {
      const life = this.#replicas[replica]?.life
      this.#replicas[replica]?.submit(
        request.group,
        { consistency: request.how, min: '' },
        (answer) => {
          // Of the process that was asked: another one may be the replica by now.
          const token = life?.member.token ?? ''
          const copy = answer.outcome === 'done' ? { ...answer, results: answer.results.slice() } : answer
          time.after(HOP_MS, () => {
            heard = true
            this.#token = token
            this.#heard(request, attempt, copy)
          })
        },
        () =>
          time.after(HOP_MS, () => {
            heard = true
            this.#unknown(request, attempt)
          }),
      )
    })
    time.after(options.clients.patienceMs, () => {
      if (!heard) this.#unknown(request, attempt)
    })
  }

  #heard(request: Request, attempt: number, answer: Answer): void {
    if (!request.open) return
    if (answer.outcome === 'done') return this.#done(request, answer.results)
    if (answer.outcome === 'unknown') return this.#unknown(request, attempt)
    if (!RETRIED.has(answer.code)) throw new Violation('Answers', `${answer.code}: ${answer.message}`)
    this.#world.counters.add(`refused: ${answer.code}`)
    if (this.#stopped && !request.repeatable) {
      for (const operation of request.operations) this.#record.refused(operation)
      return this.#close(request)
    }
    this.#again(request, attempt)
  }

  /** No answer, or an answer of unknown outcome: what can be repeated is repeated, elsewhere. */
  #unknown(request: Request, attempt: number): void {
    if (!request.open) return
    if (request.repeatable) return this.#again(request, attempt)
    this.#world.counters.add('outcomes unknown')
    this.#close(request)
  }

  /** Unless it was already sent again. */
  #again(request: Request, attempt: number): void {
    if (request.tries !== attempt) return
    this.#target = this.#other()
    this.#world.time.after(PAUSE_MS, () => this.#attempt(request, this.#target))
  }

  #other(): number {
    return (this.#target + 1 + this.#random.below(Math.max(1, this.#replicas.length - 1))) % this.#replicas.length
  }

  #done(request: Request, results: Uint8Array): void {
    const reader = new ResultReader(results)
    if (request.marked) reader.next()
    for (let index = 0; reader.next(); index++) {
      if (reader.status === Status.kept) this.#world.counters.add('answered from a session')
      if (reader.status === Status.expired) this.#world.counters.add('refused by a closed session')
      if (request.isOpening) this.#opened(request.session, reader)
      else if (request.repeats !== null) this.#repeated(request.repeats[index] as Recorded, request.session, reader)
      else this.#result(request.operations[index] as Recorded, request.session, reader)
    }
    if (request.repeats === null && request.first > 0) this.#last = request
    this.#close(request)
    request.whenDone()
    const { session } = request
    if (session === this.#session && this.#world.sweeps.has('expired', session.name)) this.#newSession()
  }

  /**
   * Reads are answered as ever, and updates are no longer done; an update that joins an instance from before the end
   * gets its result again.
   */
  #repeated({ input, onlyReads, output }: Recorded, session: ClientSession, { status, result }: ResultReader): void {
    const isAsEver = status === (onlyReads ? Status.applied : Status.expired)
    const isGone = !onlyReads && status === Status.gone && this.#world.sweeps.has('forgotten', session.name)
    const isJoined = !onlyReads && status === Status.kept && this.#world.workload.output(input, result) === output
    if (!isAsEver && !isGone && !isJoined) throw new Violation('Sessions', `status ${status} after its end`)
  }

  #result(operation: Recorded, session: ClientSession, { status, result }: ResultReader): void {
    const { input, request } = operation
    if (operation.unlogged && status === Status.crowded) return this.#send(this.#quorumRead([operation]))
    if (request !== null && this.#isSwept(operation, session, status)) return
    if (status !== Status.applied && status !== Status.kept) {
      throw new Violation('Exactly once', `client ${this.id} is answered with status ${status} to ${input.text}`)
    }
    const output = this.#world.workload.output(input, result)
    this.#world.happened('answered', this.id, input.text, output)
    this.#record.answered(operation, output, this.#world.time.now)
    if (!operation.onlyReads && !this.#stopped && this.#readRandom.chance(this.#chases)) this.#chase(operation)
  }

  /** Reads at another replica, at once, what was just written: it must see that. */
  #chase(update: Recorded): void {
    const { workload, pools } = this.#world
    const all = workload.readAll(pools.named(update.input.pool))
    const reads = all.filter((ask) => this.#readsOneKey(workload.command(ask)))
    if (this.#readRandom.chance(WEAK)) return this.#weakReads.follow(update, this.#token, reads, this.#readRandom)
    if (reads.length === 0) return
    const some = this.#readRandom.chance(0.5) ? reads : [this.#readRandom.pick(reads)]
    const request = this.#quorumRead(some.map((input) => this.#record.read(this.id, input)))
    this.#open.add(request)
    this.#attempt(request, this.#readRandom.below(this.#replicas.length))
  }

  /** A sweep removed the result of what was done, or the record of whether it was done. */
  #isSwept(operation: Recorded, { name }: ClientSession, status: Status): boolean {
    const { sweeps, counters } = this.#world
    if (status === Status.gone && sweeps.has('forgotten', name)) {
      counters.add('answered without the result')
      this.#record.gone(operation)
      return true
    }
    if (status !== Status.expired || !(sweeps.has('cut', name) || sweeps.has('expired', name))) return false
    counters.add('outcomes lost in a sweep')
    return true
  }

  #close(request: Request): void {
    request.open = false
    this.#open.delete(request)
    for (let i = 0; i < request.operations.length; i++) request.session.unanswered.delete(request.first + i)
  }
}

const FRESH = {
  ...{ tries: 0, open: true, marked: false, repeats: null, isOpening: false, whenDone: () => {} },
  how: 'log' as Consistency,
}

/** Refusals that may not happen again at another time, or at another replica. */
const RETRIED: ReadonlySet<string> = new Set(['not_ready', 'busy', 'disk_full'])

/** The written keys of a footprint, as texts. */
function writtenKeys(footprint: Footprint): string[] {
  const count = (footprint[0] as number) % EVERYTHING
  return Array.from({ length: count }, (_, i) => `${footprint[1 + 2 * i]}:${footprint[2 + 2 * i]}`)
}
