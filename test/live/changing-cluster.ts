import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Members } from '../../src/node/members.ts'
import { Cli } from '../support/cli.ts'
import { freePorts } from '../support/ports.ts'

/** One replica: its data directory and its command line, which stays the same. */
export class Site {
  /** `HOST:PORT`, for the other members. */
  readonly address: string
  readonly #client: string
  readonly #line: readonly string[]
  #cli: Cli | null = null

  constructor(line: readonly string[], address: string, client: string) {
    this.#line = line
    this.address = address
    this.#client = client
  }

  /** For HTTP. */
  get url(): string {
    return `http://${this.#client}`
  }

  get isRunning(): boolean {
    return this.#cli !== null && !this.#cli.ended
  }

  /** The output of a process that ended by itself; null if it did not. */
  get crash(): string | null {
    return this.#cli?.ended ? `the replica at ${this.address} has ended:\n${this.#cli.stderr}` : null
  }

  start(): void {
    this.#cli = new Cli(this.#line)
  }

  signal(signal: NodeJS.Signals): void {
    this.#cli?.process.kill(signal)
  }

  /** Ends the process, if it runs, and waits until it is gone. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const cli = this.#cli
    this.#cli = null
    if (cli === null || cli.ended) return
    cli.process.kill(signal)
    // A stopped process does not end before it continues.
    cli.process.kill('SIGCONT')
    await cli.exited()
  }

  /** Resolves with the exit code of the process, when it has ended by itself; it counts as no crash. */
  async ended(): Promise<number | null> {
    const result = await this.#cli?.exited()
    this.#cli = null
    return result?.code ?? null
  }
}

/** A cluster of real processes that begins with one member and whose members change. */
export class ChangingCluster {
  readonly #folder = mkdtempSync(join(tmpdir(), 'epaxos-live-'))
  readonly #sites: Site[] = []

  /** Stops the replicas in order afterwards, however `body` ended; keeps the data directories if it threw. */
  static async use(body: (cluster: ChangingCluster) => Promise<void>): Promise<void> {
    const cluster = new ChangingCluster()
    let failed = true
    try {
      await body(cluster)
      failed = false
    } finally {
      await Promise.all(cluster.#sites.map((site) => site.stop('SIGTERM')))
      if (failed) console.log(`the data directories are in ${cluster.#folder}`)
      else rmSync(cluster.#folder, { recursive: true, force: true })
    }
  }

  /** Starts a new replica. The first one founds the cluster; each later one waits until it is taken in. */
  async open(): Promise<Site> {
    const [peer, client] = (await freePorts(2)).map((port) => `127.0.0.1:${port}`) as [string, string]
    const place = this.#sites.length === 0 ? ['--id', '0', '--peers', peer] : ['--join', peer]
    const data = join(this.#folder, `${this.#sites.length}`)
    const line = ['replica', ...place, '--client', client, '--data', data, '--log-level', 'warn']
    const site = new Site(line, peer, client)
    this.#sites.push(site)
    site.start()
    return site
  }

  /** The output of replicas that ended by themselves. */
  get crashes(): string[] {
    return this.#sites.flatMap(({ crash }) => (crash === null ? [] : [crash]))
  }
}

export async function membersAt(url: string): Promise<Members> {
  const response = await fetch(`${url}/members`)
  return (await response.json()) as Members
}
