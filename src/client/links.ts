import { EpaxosError, ErrorCode } from '../errors.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { ReplicaUrls } from './urls.ts'

/** Pauses between rounds over all replicas that failed: doubled from round to round, with jitter. */
const FIRST_PAUSE_MS = 25
const LONGEST_PAUSE_MS = 400

/** Reasons for the lack of a first link that say more than "unreachable". */
const TELLING: readonly ErrorCode[] = ['unauthorized', 'configuration', 'foreign_cluster', 'not_ready']

export interface LinksOptions extends ConnectionOptions {
  /** Whether the client learns the URLs of replicas from other replicas. */
  readonly learn: boolean
}

export interface LinksHandlers {
  /** Whether anything waits for a link. */
  wanted(): boolean
  /** There is a link: `current`. */
  up(): void
  /** The replica of the current link is not ready: what is in flight there will take long. */
  notReady(connection: Connection): void
  /** Every given URL leads to another cluster, and no other URL leads anywhere. */
  foreign(): void
}

/**
 * The current link to one of the replicas, and the way to the next one. All links lead to one cluster: the first one
 * that was met, unless the caller names one.
 */
export class Links {
  readonly #urls: ReplicaUrls
  readonly #options: LinksOptions
  readonly #handlers: LinksHandlers
  /** The cluster that all links must lead to; empty until one is known. */
  #clusterId: string
  #current: Connection | null = null
  /** Links that are no longer used, but still owe answers. */
  readonly #retired = new Set<Connection>()
  #order: string[]
  /** Replicas tried since one last worked. */
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
   * Opens the first link: tries each replica once. Rejects with an `EpaxosError`: `unreachable`, or what a replica
   * reported (`unauthorized`, `foreign_cluster`, `not_ready`), or `configuration` if the secret cannot be used here.
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

  /** Begins to dial if there is no link. */
  want(): void {
    if (this.#current === null && !this.#dialling && !this.#closed) void this.#dial()
  }

  /** The replica worked: the next failure counts as the first one again. */
  praise(): void {
    this.#tries = 0
  }

  /** The replica refuses or is slow: another one takes over. What is in flight may still be answered. */
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
      this.#order = this.#urls.refreshed([...this.#order.filter((each) => each !== url), url])
      if (this.#current === null && tried >= this.#order.length && this.#urls.allForeign) this.#handlers.foreign()
    }
    this.#dialling = false
    if (this.#current !== null) this.#handlers.up()
  }

  async #try(url: string): Promise<boolean> {
    this.#tries++
    try {
      const connection = await Connection.open(url, { ...this.#options, clusterId: this.#clusterId })
      this.#urls.tried(url, 'worked')
      if (this.#closed) connection.close()
      else this.#use(connection)
      return true
    } catch (error) {
      if (!(error instanceof EpaxosError)) throw error
      this.lastError = error
      this.#urls.tried(url, error.code === ErrorCode.foreignCluster ? 'foreign' : 'failed')
      return false
    }
  }

  #use(connection: Connection): void {
    this.#current = connection
    this.#clusterId = connection.clusterId
    this.#learn(connection)
    connection.onUrls = () => {
      this.#learn(connection)
      if (connection.leaving) this.avoid(connection)
    }
    connection.onNotReady = () => this.#handlers.notReady(connection)
    connection.onClose = () => {
      this.#retired.delete(connection)
      if (connection !== this.#current) return
      this.#leave(connection.url)
      if (this.#handlers.wanted()) this.want()
    }
  }

  #learn({ clientUrls, url, epoch }: Connection): void {
    if (!this.#options.learn) return
    this.#urls.learn(clientUrls, url, epoch)
    this.#order = this.#urls.refreshed(this.#order)
  }

  /** No pause within the first round. */
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
