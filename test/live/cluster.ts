import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Status } from '../../src/node/status.ts'
import type { ServerKind } from '../../src/transport/server.ts'
import { Cli, PROGRAM } from '../support/cli.ts'
import { freePorts } from '../support/ports.ts'

export interface LiveOptions {
  readonly replicas?: number
  /** By replica; wasm if absent. */
  readonly engines?: readonly ('wasm' | 'reference')[]
  /** By replica: the server of its peer port; if absent, each chooses by itself. */
  readonly servers?: readonly (ServerKind | undefined)[]
  /** By replica: the `node` that runs it; if absent, the one that runs the tests. */
  readonly nodes?: readonly string[]
  /** Goes before the command line of each replica: a tracer, for instance, which may write into the folder. */
  readonly before?: (folder: string, id: number) => readonly string[]
  readonly flags?: readonly string[]
  /** The port at which `from` reaches the peer port of `to`: that of a proxy, for instance. */
  readonly via?: (from: number, to: number, port: number) => Promise<number>
  /** Runs before the replicas start, whose data directories are `FOLDER/ID`. */
  readonly prepare?: (folder: string) => Promise<void>
  /** Does not wait until all are ready. */
  readonly unready?: boolean
  /** Keeps the data directories if the body throws. */
  readonly keepOnFailure?: boolean
}

/** A cluster of real processes, each started by its own command line, so that any can be killed and started again. */
export class LiveCluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'epaxos-live-'))
  readonly #options: LiveOptions
  readonly #running: (Cli | null)[]
  /** Per replica: its `--peers`. */
  readonly #peers: readonly (readonly string[])[]
  readonly #clients: readonly string[]

  private constructor(options: LiveOptions, peers: readonly (readonly number[])[], clients: readonly number[]) {
    this.#options = options
    this.#peers = peers.map((ports) => ports.map((port) => `127.0.0.1:${port}`))
    this.#clients = clients.map((port) => `127.0.0.1:${port}`)
    this.#running = peers.map(() => null)
  }

  /** Runs `body` with a cluster that is ready; stops the cluster in order afterwards, however `body` ended. */
  static async use(options: LiveOptions, body: (cluster: LiveCluster) => Promise<void>): Promise<void> {
    const { replicas = 3, via = async (_from, _to, port) => port, keepOnFailure = false } = options
    const ports = await freePorts(2 * replicas)
    const own = ports.slice(0, replicas)
    const seen = (from: number) => Promise.all(own.map((port, to) => (to === from ? port : via(from, to, port))))
    const peers = await Promise.all(own.map((_, from) => seen(from)))
    const cluster = new LiveCluster(options, peers, ports.slice(replicas))
    let failed = true
    try {
      await options.prepare?.(cluster.folder)
      for (const id of cluster.ids) cluster.start(id)
      if (options.unready !== true) await cluster.allReady()
      await body(cluster)
      failed = false
    } finally {
      await Promise.all(cluster.ids.map((id) => cluster.stop(id, 'SIGTERM')))
      if (failed && keepOnFailure) console.log(`the data directories are in ${cluster.folder}`)
      else rmSync(cluster.folder, { recursive: true, force: true })
    }
  }

  get ids(): number[] {
    return this.#peers.map((_, id) => id)
  }

  /** The WebSocket URLs; that of `first` comes first. */
  urls(first = 0): string[] {
    return [...this.#clients.slice(first), ...this.#clients.slice(0, first)].map((address) => `ws://${address}`)
  }

  /** For HTTP. */
  url(id: number): string {
    return `http://${this.#clients[id]}`
  }

  /** Starts a replica by its own command line, behind `before` if it is given. */
  start(id: number, before = this.#options.before): void {
    const { engines, nodes, servers, flags = [] } = this.#options
    const peers = (this.#peers[id] as readonly string[]).join(',')
    const line = [
      ...['replica', '--id', `${id}`, '--peers', peers, '--client', this.#clients[id] as string],
      ...['--data', join(this.folder, `${id}`), '--engine', engines?.[id] ?? 'wasm', '--log-level', 'warn'],
      ...(servers?.[id] === undefined ? [] : ['--server', servers[id]]),
      ...flags,
    ]
    const program = [...(before?.(this.folder, id) ?? []), nodes?.[id] ?? process.execPath, PROGRAM]
    this.#running[id] = new Cli(line, {}, program)
  }

  /** The output of replicas that ended by themselves. */
  get crashes(): string[] {
    return this.#running.flatMap((cli, id) => (cli?.ended ? [`replica ${id} has ended:\n${cli.stderr}`] : []))
  }

  isRunning(id: number): boolean {
    const cli = this.#running[id]
    return cli !== null && cli !== undefined && !cli.ended
  }

  /** Of a running replica. */
  pid(id: number): number {
    return (this.#running[id] as Cli).pid
  }

  signal(id: number, signal: NodeJS.Signals): void {
    this.#running[id]?.process.kill(signal)
  }

  /** Ends a replica, if it runs, and waits until it is gone. */
  async stop(id: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const cli = this.#running[id]
    this.#running[id] = null
    if (!cli || cli.ended) return
    cli.process.kill(signal)
    // A stopped process does not end before it continues.
    cli.process.kill('SIGCONT')
    await cli.exited()
  }

  status(id: number): Promise<Status> {
    return statusAt(this.url(id))
  }

  isReady(id: number): Promise<boolean> {
    return isReadyAt(this.url(id))
  }

  allReady(): Promise<void> {
    return allReadyAt(this.ids.map((id) => this.url(id)))
  }

  /** Waits until all have executed the same, and nothing is open. */
  converged(limitMs = 10_000): Promise<void> {
    return convergedAt(
      this.ids.map((id) => this.url(id)),
      limitMs,
    )
  }
}

export async function statusAt(url: string): Promise<Status> {
  const response = await fetch(`${url}/status`)
  return (await response.json()) as Status
}

async function isReadyAt(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`)).status === 200
  } catch {
    return false
  }
}

export function allReadyAt(urls: readonly string[]): Promise<void> {
  return until('all replicas are ready', 20_000, async () => {
    for (const url of urls) if (!(await isReadyAt(url))) return false
    return true
  })
}

/** Waits until the replicas have executed the same, and nothing is open. */
export function convergedAt(urls: readonly string[], limitMs: number): Promise<void> {
  return until('all replicas have executed the same', limitMs, async () => {
    const statuses = await Promise.all(urls.map(statusAt))
    const views = statuses.map(({ executed, stateHash }) => JSON.stringify([executed, stateHash]))
    return new Set(views).size === 1 && statuses.every((s) => s.oldestUncommittedMs === 0)
  })
}

/** Polls until the condition holds. */
export async function until(what: string, limitMs: number, condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`)
    await pause(20)
  }
}
