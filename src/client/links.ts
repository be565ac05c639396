import { EpaxosError, ErrorCode } from '../errors.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { ReplicaUrls } from './urls.ts'

/** Pauses between rounds over all replicas that did not do: doubled from round to round, with jitter. */
const FIRST_PAUSE_MS = 25
const LONGEST_PAUSE_MS = 400

export interface LinksHandlers {
  /** Whether somebody waits for a link. */
  wanted(): boolean
  /** There is a link: `current`. */
  up(): void
  /** The replica of the present link is not ready: what is under way there will take long. */
  notReady(connection: Connection): void
}

/** The present link to one of the replicas, and the way to the next one. */
export class Links {
  readonly #urls: ReplicaUrls
  readonly #options: ConnectionOptions
  readonly #handlers: LinksHandlers
  #current: Connection | null = null
  /** Links that are not used any more, and still owe answers. */
  readonly #retired = new Set<Connection>()
  #order: string[]
  /** Replicas tried since one last did its work. */
  #tries = 0
  #dialling = false
  #closed = false
  #wake: () => void = () => {}
  /** Why the last dial failed. */
  lastError: EpaxosError | null = null

  /** Throws an `EpaxosError` with code `configuration`. */
  constructor(urls: readonly string[], options: ConnectionOptions, handlers: LinksHandlers) {
    this.#urls = new ReplicaUrls(urls)
    this.#options = options
    this.#handlers = handlers
    this.#order = this.#urls.after(null)
  }

  get current(): Connection | null {
    return this.#current
  }

  /**
   * Opens the first link: each replica is tried once. Rejects with an `EpaxosError`: `unreachable`, or `unauthorized` where one
   * said so, or `configuration` where the secret cannot be used here.
   */
  async open(): Promise<void> {
    const reasons: EpaxosError[] = []
    for (const url of this.#order) {
      if (await this.#try(url)) return
      reasons.push(this.lastError as EpaxosError)
    }
    const telling = reasons.find(({ code }) => code === ErrorCode.unauthorized || code === ErrorCode.configuration)
    if (telling !== undefined) throw telling
    throw new EpaxosError(ErrorCode.unreachable, reasons.map(({ message }) => message).join('; '))
  }

  /** Begins to dial, where there is no link. */
  want(): void {
    if (this.#current === null && !this.#dialling && !this.#closed) void this.#dial()
  }

  /** The replica did its work: the next failure is the first one again. */
  praise(): void {
    this.#tries = 0
  }

  /** The replica refuses, or is slow: another one takes over. What is under way may still be answered. */
  avoid(connection: Connection): void {
    if (connection !== this.#current) return
    this.#leave(connection.url)
    this.#retired.add(connection)
    connection.closeWhenIdle()
    if (this.#handlers.wanted()) this.want()
  }

  close(): void {
    this.#closed = true
    this.#wake()
    this.#current?.close()
    for (const connection of [...this.#retired]) connection.close()
  }

  #leave(url: string): void {
    this.#current = null
    this.#order = this.#urls.after(url)
  }

  async #dial(): Promise<void> {
    this.#dialling = true
    for (let next = 0; this.#current === null && !this.#closed && this.#handlers.wanted(); next++) {
      await this.#pause()
      if (this.#closed) break
      await this.#try(this.#order[next % this.#order.length] as string)
    }
    this.#dialling = false
    if (this.#current !== null) this.#handlers.up()
  }

  async #try(url: string): Promise<boolean> {
    this.#tries++
    try {
      const connection = await Connection.open(url, this.#options)
      if (this.#closed) connection.close()
      else this.#use(connection)
      return true
    } catch (error) {
      if (!(error instanceof EpaxosError)) throw error
      this.lastError = error
      return false
    }
  }

  #use(connection: Connection): void {
    this.#current = connection
    this.#urls.learn(connection.clientUrls)
    connection.onNotReady = () => this.#handlers.notReady(connection)
    connection.onClose = () => {
      this.#retired.delete(connection)
      if (connection !== this.#current) return
      this.#leave(connection.url)
      if (this.#handlers.wanted()) this.want()
    }
  }

  /** None within the first round. */
  #pause(): Promise<void> {
    const rounds = Math.floor(this.#tries / this.#order.length)
    if (rounds === 0) return Promise.resolve()
    const longest = Math.min(FIRST_PAUSE_MS * 2 ** rounds, LONGEST_PAUSE_MS)
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, longest * (0.5 + 0.5 * Math.random()))
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
