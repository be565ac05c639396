import {
  type Asked,
  type Challenge,
  ClientMessageType,
  decodeFromServer,
  encodeHello,
  encodeRequest,
  type FromServer,
  type Response,
  ResponseOutcome,
  type Welcome,
} from '../codec/client.ts'
import { frames } from '../codec/frame.ts'
import { FORMAT_VERSION } from '../codec/limits.ts'
import { EpaxosError, ErrorCode, type Outcome } from '../errors.ts'
import { encodeGroup } from '../execution/groups.ts'
import { proofOf } from './proof.ts'
import { bytesOf, openSocket, type Socket } from './socket.ts'
import { socketUrl } from './urls.ts'

/**
 * How a group ended at one replica. results.ts describes the layout of `results`, for `ResultReader`: a view that is
 * valid until the callback returns. `token` is empty unless it was asked for; `ageMs` belongs to stale reads, null if
 * it is unknown.
 */
export type GroupAnswer =
  | { readonly outcome: 'done'; readonly results: Uint8Array; readonly token: string; readonly ageMs: number | null }
  | { readonly outcome: Outcome; readonly code: ErrorCode; readonly message: string }

export interface ConnectionOptions {
  /** The secret of the cluster: bytes, or a string, which is encoded as UTF-8. */
  readonly secret?: Uint8Array | string
  /** The cluster that the replica must belong to; by default any cluster. */
  readonly clusterId?: string
  /** The time limit for the link and its handshake. Default 1000. */
  readonly openTimeoutMs?: number
  /** A replica that owes answers and is silent for this long is given up. Default 800. */
  readonly silenceMs?: number
}

/** Silence is counted in ticks, not in time: a long turn of this process is not the fault of the replica. */
const TICK_MS = 100

/** After this many silent ticks the client asks the replica whether it is there. */
const ASK_TICKS = 3

const NO_COMMANDS = encodeGroup([])

/** A timer that is set for longer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

interface Pending {
  readonly bytes: number
  readonly respond: (answer: GroupAnswer) => void
}

/**
 * One link to one replica: groups of commands go out, answers come back, in any order. A connection never sends
 * anything again; when the link breaks, everything unanswered is answered as unknown. In Node and in browsers.
 */
export class Connection {
  /** The WebSocket URL of the replica. */
  readonly url: string
  /** Called once when the link is closed, by either side, after the answers to everything unanswered. */
  onClose: () => void = () => {}
  /** Called when the replica reports by itself that it cannot work at present. */
  onNotReady: () => void = () => {}
  /** Called when the replica says that {@link clientUrls} have changed, or that it is {@link leaving}. */
  onUrls: () => void = () => {}
  readonly #socket: Socket
  readonly #silentTicks: number
  readonly #pending = new Map<number, Pending>()
  #welcome: Welcome | null = null
  #parts: Uint8Array[] = []
  #lastId = 0
  #outstandingBytes = 0
  #closed = false
  #closesWhenIdle = false
  #ticker: ReturnType<typeof setInterval> | null = null
  #ticks = 0
  #bufferedAmount = 0
  #bytesRead = 0

  /**
   * Opens a link. Rejects with an `EpaxosError`: `configuration` if the text is not a URL or a time is wrong,
   * `unreachable`, `unauthorized`, `malformed` for another version, `foreign_cluster`, `not_ready` if the cluster is
   * not founded yet, or `timeout`.
   */
  static async open(url: string, options: ConnectionOptions = {}): Promise<Connection> {
    const { openTimeoutMs = 1000, silenceMs = 800 } = options
    checkTime('openTimeoutMs', openTimeoutMs, MAX_TIMER_MS)
    checkTime('silenceMs', silenceMs, Number.POSITIVE_INFINITY)
    const socket = await openSocket(socketUrl(url))
    const connection = new Connection(socketUrl(url), socket, Math.max(ASK_TICKS + 1, Math.ceil(silenceMs / TICK_MS)))
    let timer: ReturnType<typeof setTimeout> | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        const why = `no welcome from ${url} in ${openTimeoutMs} ms`
        timer = setTimeout(() => reject(new EpaxosError(ErrorCode.timeout, why)), openTimeoutMs)
        connection.#greet(options, resolve, reject)
      })
    } catch (error) {
      connection.close()
      throw error
    } finally {
      clearTimeout(timer)
    }
    socket.onmessage = ({ data }) => connection.#onFrame(data)
    return connection
  }

  private constructor(url: string, socket: Socket, silentTicks: number) {
    this.url = url
    this.#socket = socket
    this.#silentTicks = silentTicks
  }

  /** The replica's id. */
  get id(): number {
    return (this.#welcome as Welcome).id
  }

  /** The cluster that the replica belongs to. */
  get clusterId(): string {
    return (this.#welcome as Welcome).clusterId
  }

  /** The URLs of the members, as the replica knows them now; empty if unknown. */
  get clientUrls(): readonly string[] {
    return (this.#welcome as Welcome).clientUrls
  }

  /** The epoch of these members. */
  get epoch(): number {
    return (this.#welcome as Welcome).epoch
  }

  /** The replica is no member any more: it refuses whatever comes. */
  get leaving(): boolean {
    return (this.#welcome as Welcome).leaving
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Requests without an answer. */
  get outstanding(): number {
    return this.#pending.size
  }

  /** Their bytes. */
  get outstandingBytes(): number {
    return this.#outstandingBytes
  }

  /**
   * Sends one group (`encodeGroup`), together with all others of the same turn. `respond` is called exactly once,
   * later. The bytes are copied.
   * @param asked how it is answered; by default through the log, without a token
   * @throws EpaxosError with code `too_large` for a group beyond 4 MiB, `closed` if the link is closed
   */
  send(group: Uint8Array, respond: (answer: GroupAnswer) => void, asked: Asked = {}): void {
    if (this.#closed) throw new EpaxosError(ErrorCode.closed, 'the link is closed')
    const id = this.#nextId()
    const request = encodeRequest(id, group, asked)
    if (this.#parts.length === 0) queueMicrotask(() => this.#flush())
    this.#parts.push(request)
    this.#pending.set(id, { bytes: group.length, respond })
    this.#outstandingBytes += group.length
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS)
  }

  /** Closes the link when everything is answered. */
  closeWhenIdle(): void {
    this.#closesWhenIdle = true
    if (this.#pending.size === 0) this.close()
  }

  /** Hangs up. */
  close(): void {
    this.#end('the link was closed')
  }

  #greet(options: ConnectionOptions, resolve: () => void, reject: (error: Error) => void): void {
    const { clusterId = '' } = options
    const socket = this.#socket
    const fail = (code: ErrorCode, message: string) => reject(new EpaxosError(code, message))
    let why = ''
    socket.onerror = ({ message }) => {
      why = message === undefined ? '' : `: ${message}`
    }
    socket.onclose = () => {
      fail(ErrorCode.unreachable, `no link to ${this.url}${why}`)
      this.#end('the link broke before the answer')
    }
    const onMessage = async (message: FromServer) => {
      if (message.type === ClientMessageType.challenge) socket.send(await helloTo(message, options))
      else if (message.type === ClientMessageType.response) fail(message.code as ErrorCode, message.message)
      else if (clusterId !== '' && message.clusterId !== clusterId) {
        fail(ErrorCode.foreignCluster, `${this.url} is a replica of another cluster: ${message.clusterId}`)
      } else {
        this.#welcome = message
        resolve()
      }
    }
    socket.onmessage = ({ data }) => {
      // Whatever follows the welcome in the same turn is meaningless: this side has not sent a request yet.
      this.#decode(data, (message) => void onMessage(message).catch(reject))
    }
  }

  #onFrame(data: unknown): void {
    this.#ticks = 0
    this.#decode(data, (message) => {
      if (message.type === ClientMessageType.response) this.#onResponse(message)
      else if (message.type === ClientMessageType.welcome) this.#onWelcome(message)
      else throw new EpaxosError(ErrorCode.malformed, 'handshake out of turn')
    })
  }

  #decode(data: unknown, handle: (message: FromServer) => void): void {
    if (this.#closed) return
    try {
      const bytes = bytesOf(data)
      if (bytes === null) throw new EpaxosError(ErrorCode.malformed, 'text instead of a frame')
      decodeFromServer(bytes, handle)
    } catch (error) {
      if (!(error instanceof EpaxosError)) throw error
      this.#end(error.message)
    }
  }

  /** It comes again when the URLs have changed. */
  #onWelcome(welcome: Welcome): void {
    if (welcome.id !== this.id || welcome.clusterId !== this.clusterId) {
      throw new EpaxosError(ErrorCode.malformed, 'the replica has become another one')
    }
    this.#welcome = welcome
    this.onUrls()
  }

  #onResponse({ id, outcome, code, message, results, token, ageMs }: Response): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    this.#outstandingBytes -= pending.bytes
    if (this.#pending.size === 0) this.#stopTicking()
    if (outcome === ResponseOutcome.done) pending.respond({ outcome: 'done', results, token, ageMs })
    else {
      const said = outcome === ResponseOutcome.refused ? 'refused' : 'unknown'
      pending.respond({ outcome: said, code: code as ErrorCode, message })
    }
    if (this.#closesWhenIdle && this.#pending.size === 0) this.close()
  }

  #flush(): void {
    const parts = this.#parts
    this.#parts = []
    if (this.#closed) return
    for (const frame of frames(parts)) this.#socket.send(frame)
  }

  /** Wraps around; skips numbers still in use. */
  #nextId(): number {
    do this.#lastId = (this.#lastId + 1) >>> 0
    while (this.#pending.has(this.#lastId))
    return this.#lastId
  }

  #tick(): void {
    const { bufferedAmount, bytesRead = 0 } = this.#socket
    // While the system continues to accept what was sent, somebody reads it; and what arrives in pieces comes from
    // somebody.
    const draining = bufferedAmount > 0 && bufferedAmount < this.#bufferedAmount
    const hearing = bytesRead > this.#bytesRead
    this.#bufferedAmount = bufferedAmount
    this.#bytesRead = bytesRead
    this.#ticks = draining || hearing ? 0 : this.#ticks + 1
    if (this.#ticks === ASK_TICKS) this.#ask()
    if (this.#ticks >= this.#silentTicks) this.#end('the replica has fallen silent')
  }

  /** A stale read of nothing: any live replica answers it. */
  #ask(): void {
    this.send(
      NO_COMMANDS,
      (answer) => {
        if (answer.outcome === 'refused' && answer.code === ErrorCode.notReady) this.onNotReady()
      },
      { consistency: 'stale' },
    )
  }

  #stopTicking(): void {
    if (this.#ticker !== null) clearInterval(this.#ticker)
    this.#ticker = null
    this.#ticks = 0
  }

  #end(message: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#stopTicking()
    const socket = this.#socket
    socket.onmessage = null
    if (socket.terminate === undefined) socket.close()
    else socket.terminate()
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    this.#outstandingBytes = 0
    for (const { respond } of pending) respond({ outcome: 'unknown', code: ErrorCode.closed, message })
    this.onClose()
  }
}

async function helloTo({ needsSecret, nonce }: Challenge, options: ConnectionOptions): Promise<Uint8Array> {
  const { secret, clusterId = '' } = options
  const bytes = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret
  if (!needsSecret) return encodeHello({ version: FORMAT_VERSION, proof: new Uint8Array(0), clusterId })
  if (bytes === undefined) throw new EpaxosError(ErrorCode.unauthorized, 'the replica asks for a secret')
  return encodeHello({ version: FORMAT_VERSION, proof: await proofOf(bytes, nonce), clusterId })
}

/** Throws an `EpaxosError` with code `configuration`. */
function checkTime(name: string, ms: number, max: number): void {
  if (typeof ms === 'number' && ms >= 1 && ms <= max) return
  throw new EpaxosError('configuration', `${name} is a time from 1 to ${max} ms, not ${ms}`)
}
