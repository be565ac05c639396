import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Status } from '../../src/node/status.ts'
import { Cli } from '../support/cli.ts'
import { freePorts } from '../support/ports.ts'
import { until } from './cluster.ts'

export interface How {
  /** The data directory's name; the id if absent. */
  readonly directory?: string
  /** Listens for peers and clients on ports of its own, which the others do not know. */
  readonly elsewhere?: boolean
  readonly flags?: readonly string[]
}

export interface Answer {
  /** 0 if nobody answers. */
  readonly status: number
  readonly text: string
}

/** A process that runs a replica, and how it is asked. */
export class HandStarted {
  readonly cli: Cli
  readonly url: string

  constructor(cli: Cli, url: string) {
    this.cli = cli
    this.url = url
  }

  async ask(method: string, path: string, body?: string): Promise<Answer> {
    try {
      const response = await fetch(`${this.url}${path}`, { method, ...(body === undefined ? {} : { body }) })
      return { status: response.status, text: await response.text() }
    } catch {
      return { status: 0, text: '' }
    }
  }

  async put(key: string, value: string): Promise<number> {
    return (await this.ask('PUT', `/kv/${key}`, value)).status
  }

  async get(key: string): Promise<number> {
    return (await this.ask('GET', `/kv/${key}`)).status
  }

  async status(): Promise<Status> {
    return JSON.parse((await this.ask('GET', '/status')).text)
  }

  ready(): Promise<void> {
    return until('it is ready', 20_000, async () => (await this.ask('GET', '/readyz')).status === 200)
  }

  /** Waits until it is not ready for this reason. */
  notReady(reason: RegExp): Promise<void> {
    return until(`not ready: ${reason}`, 20_000, async () => {
      const { status, text } = await this.ask('GET', '/readyz')
      return status === 503 && reason.test(JSON.parse(text).error.message)
    })
  }

  /** Waits until its end, which must come by itself; returns the exit code. */
  async ends(): Promise<number | null> {
    await until('it ends', 20_000, async () => this.cli.ended)
    return (await this.cli.exited()).code
  }
}

/**
 * Replicas of one cluster that a test starts one by one, as operators do, and directories that it copies and empties.
 */
export class ByHand {
  readonly #folder = mkdtempSync(join(tmpdir(), 'epaxos-hand-'))
  readonly #ports: readonly number[]
  readonly #replicas: number
  readonly #started: HandStarted[] = []

  private constructor(replicas: number, ports: readonly number[]) {
    this.#replicas = replicas
    this.#ports = ports
  }

  /** Runs `body`; ends all that runs, and removes the directories afterwards. */
  static async use(replicas: number, body: (cluster: ByHand) => Promise<void>): Promise<void> {
    const cluster = new ByHand(replicas, await freePorts(2 * replicas))
    try {
      await body(cluster)
    } finally {
      await Promise.all(cluster.#started.map(({ cli }) => (cli.ended ? null : endNow(cli))))
      rmSync(cluster.#folder, { recursive: true, force: true })
    }
  }

  async start(id: number, { directory = `${id}`, elsewhere = false, flags = [] }: How = {}): Promise<HandStarted> {
    const [peerPort, clientPort] = elsewhere ? await freePorts(2) : [this.#ports[id], this.#ports[this.#replicas + id]]
    const peers = this.#ports.slice(0, this.#replicas).map((port, i) => `127.0.0.1:${i === id ? peerPort : port}`)
    const client = `127.0.0.1:${clientPort}`
    const line = ['replica', '--id', `${id}`, '--peers', peers.join(), '--client', client, '--log-level', 'info']
    const cli = new Cli([...line, '--data', this.path(directory), ...flags])
    const started = new HandStarted(cli, `http://${client}`)
    this.#started.push(started)
    return started
  }

  /** Starts all, and waits until they are ready. */
  async startAll(): Promise<HandStarted[]> {
    const all = await Promise.all(Array.from({ length: this.#replicas }, (_, id) => this.start(id)))
    await Promise.all(all.map((one) => one.ready()))
    return all
  }

  path(directory: string): string {
    return join(this.#folder, directory)
  }

  empty(directory: string): void {
    rmSync(this.path(directory), { recursive: true })
  }

  copy(from: string, to: string): void {
    execFileSync('cp', ['-a', from, this.path(to)])
  }
}

async function endNow(cli: Cli): Promise<void> {
  cli.process.kill('SIGKILL')
  cli.process.kill('SIGCONT')
  await cli.exited()
}
