import { EpaxosError, ErrorCode } from '../errors.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { ReplicaUrls } from './urls.ts'

/** Pauses between rounds over all replicas that did not do: doubled from round to round, with jitter. */
const FIRST_PAUSE_MS = 25
const LONGEST_PAUSE_MS = 400

/** Why there is no first link: what is more than that nobody was there. */
const TELLING: readonly ErrorCode[] = ['unauthorized', 'configuration', 'foreign_cluster', 'not_ready']

export interface LinksOptions extends ConnectionOptions {
  /** Whether the replicas say where the others are. */
  readonly learn: boolean
}

export interface LinksHandlers {
  /** Whether somebody waits for a link. */
  wanted(): boolean
  /** There is a link: `current`. */
  up(): void
  /** The replica of the present link is not ready: what is under way there will take long. */
  notReady(connection: Connection): void
  /** Every URL that was given leads to another cluster, and no other one leads anywhere. */
  foreign(): void
}

/**
 * The present link to one of the replicas, and the way to the next one. All links lead to one cluster: the one that was met first, unless the
 * caller names one.
 */
export class Links {
  readonly #urls: ReplicaUrls
  readonly #options: LinksOptions
  readonly #handlers: LinksHandlers
  /** The cluster that all links must lead to; empty until one is known. */
  #clusterId: string
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
  constructor(urls: readonly string[], options: LinksOptions, handlers: LinksHandlers) {
    this.#urls = new ReplicaUrls(urls)
    this.#options = options
    this.#handlers = handlers
    this.#clusterId = options.clusterId ?? ''
    this.#order = this.#urls.after(null)
  }

  /** Empty until a replica was met. */
  get clusterId(): string {
    return this.#clusterId
  }

  get current(): Connection | null {
    return this.#current
  }

  /**
   * Opens the first link: each replica is tried once. Rejects with an `EpaxosError`: `unreachable`; or what one of them said: `unauthorized`,
   * `foreign_cluster`, `not_ready`; or `configuration` where the secret cannot be used here.
   */
  async open(): Promise<void> {
    const reasons: EpaxosError[] = []
    for (const url of this.#order) {
      if (await this.#try(url)) return
      reasons.push(this.lastError as EpaxosError)
    }
    const telling = reasons.find(({ code }) => TELLING.includes(code))
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
    for (let tried = 1; this.#current === null && !this.#closed && this.#handlers.wanted(); tried++) {
      await this.#pause()
      if (this.#closed) break
      const url = this.#order[0] as string
      await this.#try(url)
      this.#order = [...this.#order.filter((each) => each !== url), ...(this.#urls.knows(url) ? [url] : [])]
      if (this.#current === null && tried >= this.#order.length && this.#urls.allForeign) this.#handlers.foreign()
    }
    this.#dialling = false
    if (this.#current !== null) this.#handlers.up()
  }

  async #try(url: string): Promise<boolean> {
    this.#tries++
    try {
      const connection = await Connection.open(url, { ...this.#options, clusterId: this.#clusterId })
      this.#urls.tried(url, false)
      if (this.#closed) connection.close()
      else this.#use(connection)
      return true
    } catch (error) {
      if (!(error instanceof EpaxosError)) throw error
      this.lastError = error
      this.#urls.tried(url, error.code === ErrorCode.foreignCluster)
      return false
    }
  }

  #use(connection: Connection): void {
    this.#current = connection
    this.#clusterId = connection.clusterId
    if (this.#options.learn) this.#urls.learn(connection.clientUrls, connection.url)
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
