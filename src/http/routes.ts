import type { IncomingMessage, ServerResponse } from 'node:http'
import { CommandError, EpaxosError, ErrorCode } from '../errors.ts'
import { encodeGroup, type GroupOptions } from '../execution/groups.ts'
import { onlyResult } from '../execution/results.ts'
import {
  failureOf,
  Outcome,
  readResult,
  readTransactionResult,
  type TransactionResult,
} from '../machine/command-results.ts'
import {
  deleteCommand,
  getCommand,
  incrementCommand,
  MAX_VALUE_BYTES,
  putCommand,
  transactionCommand,
} from '../machine/commands.ts'
import type { PortNumbers } from '../metrics/numbers.ts'
import { Prometheus } from '../metrics/prometheus.ts'
import type { Logger } from '../node/logger.ts'
import type { Answer, Consistency, Requests, Respond } from '../node/requests.ts'
import type { Access } from './access.ts'
import { Bodies, type Receiving } from './body.ts'
import type { HttpConnection } from './connection.ts'
import { ContentType } from './error-body.ts'
import { BadRequest, NO_WEBSOCKET, readHead } from './head.ts'
import { type AskedChange, parseChange } from './members-json.ts'
import { consistencyOf, METHODS, type Target, targetOf } from './paths.ts'
import { Reply } from './reply.ts'
import { minOf, sessionOf } from './request-headers.ts'
import { parseTransaction, transactionJson } from './transaction-json.ts'

/** A transaction in JSON: as long as the command that it may become. */
const MAX_TRANSACTION_BYTES = 4 << 20

/** The digits of a step, and white space around them. */
const MAX_STEP_BYTES = 64

/** A change of the members in JSON. */
const MAX_CHANGE_BYTES = 4096

/** Bodies without meaning (of a GET, for instance) are read and discarded. */
const MAX_IGNORED_BODY_BYTES = 64 << 10

const OK = 200

/** Each keeps a checkpoint on the disk until it is read. */
const MAX_BACKUPS = 2

/** While a backup is prepared, or the members change, the client learns this often that it goes on. */
const PROCESSING_MS = 1000

/** One request, with everything that outlives the call that brought it. */
interface Call extends Receiving {
  readonly method: string
  readonly consistency: Consistency
  /** The token of a `min` read. */
  readonly min: string
  readonly session: GroupOptions | undefined
}

/** The HTTP of the client port: plain requests for the key-value store, and those of operators. */
export class Routes {
  readonly #replica: Requests
  readonly #access: Access
  readonly #port: () => PortNumbers
  readonly #logger: Logger
  readonly #prometheus: Prometheus
  readonly #bodies = new Bodies()
  /** That are being taken or read. */
  #backups = 0

  /** @param port the present numbers of the client port */
  constructor(replica: Requests, access: Access, port: () => PortNumbers, logger: Logger) {
    this.#replica = replica
    this.#access = access
    this.#port = port
    this.#logger = logger
    this.#prometheus = new Prometheus(() => {
      const { id, cluster, durability, engine, server } = replica.status()
      return { id: id === null ? '' : String(id), cluster, durability, engine, server }
    })
  }

  /**
   * Handles any request; whatever it contains, it is answered.
   * @param admitted called when the client has shown that it may use the port
   */
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    connection: HttpConnection,
    { expected, admitted }: { readonly expected: boolean; admitted(): void },
  ): void {
    const reply = new Reply(request, response, connection, expected)
    try {
      const head = readHead(request)
      if (head.hasBody) reply.announceBody()
      if (head.header('upgrade').toLowerCase() === 'websocket') throw new BadRequest(...NO_WEBSOCKET)
      this.#access.checkOrigin(head.origin, head.host)
      const method = head.method.toLowerCase()
      const target = targetOf(method, head.path)
      const isOpen = target.name === 'livez' || target.name === 'readyz'
      if (!isOpen) this.#access.authorize(head.header('authorization'))
      if (!isOpen || !this.#access.needsSecret) admitted()
      const methods = METHODS[target.name]
      if (!methods.includes(method)) return refuseMethod(reply, methods)
      const consistency = consistencyOf(head.query)
      const session = sessionOf(head.header)
      const min = minOf(head.header, consistency)
      this.#begin(target, { request, head, reply, connection, method, consistency, min, session })
    } catch (error) {
      reply.fail(error)
    }
  }

  /** Nothing is run before its request is whole: a bad body must not contradict the answer. */
  #begin(target: Target, call: Call): void {
    if (call.method === 'put' || call.method === 'post') return this.#route(target, call)
    this.#bodies.read(call, MAX_IGNORED_BODY_BYTES, () => {
      try {
        this.#route(target, call)
      } catch (error) {
        call.reply.fail(error)
      }
    })
  }

  #route(target: Target, call: Call): void {
    const { reply } = call
    const { notReady } = this.#replica
    if (target.name === 'livez') return reply.json(OK, { live: true })
    if (target.name === 'status') return reply.json(OK, this.#replica.status())
    if (target.name === 'metrics') return this.#metrics(reply)
    if (target.name === 'members' && call.method !== 'post') return reply.json(OK, this.#replica.members())
    if (notReady !== null && !needsNoQuorum(target, call)) return reply.refuse(ErrorCode.notReady, notReady)
    if (target.name === 'readyz') return reply.json(OK, { ready: true })
    if (target.name === 'backup') return void this.#backup(reply)
    if (call.consistency !== 'linearizable' && !isRead(target, call))
      throw new EpaxosError(ErrorCode.malformed, `consistency=${call.consistency} is for reads`)
    if (target.name === 'members') this.#change(call)
    else if (!('key' in target)) this.#transact(call)
    else if (target.name === 'increment') this.#increment(target.key, call)
    else if (call.method === 'put') this.#put(target.key, call)
    else if (call.method === 'delete') this.#delete(target.key, call)
    else this.#get(target.key, call)
  }

  #metrics(reply: Reply): void {
    const numbers = { ...this.#replica.numbers(), ...this.#port() }
    void this.#prometheus.text(numbers).then((text) => reply.send(OK, ContentType.metrics, text))
  }

  /** Never rejects. */
  async #backup(reply: Reply): Promise<void> {
    if (this.#backups === MAX_BACKUPS) return reply.refuse(ErrorCode.busy, 'other backups are being read')
    this.#backups++
    const waiting = setInterval(() => reply.processing(), PROCESSING_MS)
    try {
      const backup = await this.#replica.backup()
      clearInterval(waiting)
      const cut = await reply.stream(OK, ContentType.bytes, backup.bytes, backup.pieces)
      backup.close()
      if (cut !== undefined) this.#logger.error({ error: cut.message }, 'a backup could not be read, and was cut off')
    } catch (error) {
      reply.fail(error)
    } finally {
      clearInterval(waiting)
      this.#backups--
    }
  }

  #change(call: Call): void {
    const { reply } = call
    this.#bodies.read(call, MAX_CHANGE_BYTES, (body) => {
      try {
        void this.#changing(parseChange(body), reply)
      } catch (error) {
        reply.fail(error)
      }
    })
  }

  /** Never rejects. The change goes on if its client is gone. */
  async #changing({ change, force }: AskedChange, reply: Reply): Promise<void> {
    const waiting = setInterval(() => reply.processing(), PROCESSING_MS)
    try {
      reply.json(OK, await this.#replica.change(change, force))
    } catch (error) {
      const isUnknown = error instanceof CommandError && error.outcome === 'unknown'
      if (isUnknown) reply.unknown(error.code, error.message)
      else reply.fail(error)
    } finally {
      clearInterval(waiting)
    }
  }

  #get(key: Uint8Array, { reply, consistency, min }: Call): void {
    const respond = this.#responding(reply, true, (result) => {
      if (consistency === 'stale') reply.mark('Epaxos-Age-Ms', String(this.#replica.ageMs ?? 'unknown'))
      const { outcome, value } = readResult(result)
      if (outcome === Outcome.done) reply.send(OK, ContentType.bytes, value)
      else refuseOutcome(reply, outcome)
    })
    this.#replica.read(encodeGroup([getCommand(key)]), consistency, respond, min)
  }

  #put(key: Uint8Array, call: Call): void {
    const { reply, session } = call
    this.#bodies.read(call, MAX_VALUE_BYTES, (value) => {
      this.#submit(putCommand(key, value), session, reply, (result) => answerBare(reply, result))
    })
  }

  #delete(key: Uint8Array, { reply, session }: Call): void {
    this.#submit(deleteCommand(key), session, reply, (result) => answerBare(reply, result))
  }

  #increment(key: Uint8Array, call: Call): void {
    const { reply, session } = call
    this.#bodies.read(call, MAX_STEP_BYTES, (body) => {
      const text = Buffer.from(body).toString('latin1').trim()
      const step = text === '' ? 1 : /^-?\d+$/.test(text) ? Number(text) : Number.NaN
      if (!Number.isSafeInteger(step)) {
        return reply.refuse(ErrorCode.malformed, 'a step is a whole number within ±(2^53-1)')
      }
      this.#submit(incrementCommand(key, step), session, reply, (result) => {
        const { outcome, value } = readResult(result)
        if (outcome === Outcome.done) reply.send(OK, ContentType.text, value)
        else refuseOutcome(reply, outcome)
      })
    })
  }

  #transact(call: Call): void {
    const { reply, session } = call
    this.#bodies.read(call, MAX_TRANSACTION_BYTES, (body) => {
      try {
        const transaction = parseTransaction(body)
        this.#submit(transactionCommand(transaction), session, reply, (result) => {
          const read = readTransactionResult(result)
          if (read.outcome === Outcome.done) reply.json(OK, transactionJson(transaction, read))
          else refuseOutcome(reply, read.outcome, operationAt(read))
        })
      } catch (error) {
        reply.fail(error)
      }
    })
  }

  /** Submits one command that may write. */
  #submit(
    command: Uint8Array,
    session: GroupOptions | undefined,
    reply: Reply,
    answer: (result: Uint8Array) => void,
  ): void {
    this.#replica.submit(encodeGroup([command], session), this.#responding(reply, false, answer))
  }

  /**
   * Answers the reply when the replica has answered its only command. Calls `answer` with the result if it was done;
   * `answer` must answer the reply. A command that only reads, and whose result had no room, is refused: it can be sent
   * again.
   */
  #responding(reply: Reply, onlyReads: boolean, answer: (result: Uint8Array) => void): Respond {
    return (given: Answer) => {
      if (!reply.open) return
      try {
        if (given.outcome === 'done') reply.mark('Epaxos-Token', this.#replica.token)
        if (given.outcome === 'done') answer(onlyResult(given.results, onlyReads))
        else if (given.outcome === 'refused') reply.refuse(given.code, given.message)
        else reply.unknown(given.code, given.message)
      } catch (error) {
        const isUnknown = error instanceof CommandError && error.outcome === 'unknown'
        if (isUnknown) return reply.unknown(error.code, error.message)
        // Nothing may throw within the replica's turn. What cannot be read came from another state machine.
        reply.refuse(error instanceof EpaxosError ? error.code : ErrorCode.malformed, (error as Error).message)
      }
    }
  }
}

/** A replica that is not ready answers only these. */
function needsNoQuorum(target: Target, call: Call): boolean {
  return (call.consistency === 'stale' || call.consistency === 'min') && isRead(target, call)
}

function isRead({ name }: Target, { method }: Call): boolean {
  return name === 'value' && (method === 'get' || method === 'head')
}

function answerBare(reply: Reply, result: Uint8Array): void {
  const { outcome } = readResult(result)
  if (outcome === Outcome.done) reply.noContent()
  else refuseOutcome(reply, outcome)
}

function refuseOutcome(reply: Reply, outcome: Outcome, where = ''): void {
  const { code, message } = failureOf(outcome, where) ?? NO_KEY
  reply.refuse(code, message)
}

const NO_KEY = new EpaxosError(ErrorCode.notFound, 'there is no such key')

function operationAt({ failedAt }: TransactionResult): string {
  return failedAt < 0 ? '' : `: operation ${failedAt} of the branch; nothing was changed`
}

function refuseMethod(reply: Reply, methods: readonly string[]): void {
  const allowed = methods.map((method) => method.toUpperCase()).join(', ')
  reply.refuse(ErrorCode.methodNotAllowed, `this path takes ${allowed}`, { Allow: allowed })
}
