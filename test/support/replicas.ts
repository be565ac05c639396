import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ClientServer, serveClients } from '../../src/http/index.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import type { EngineKind } from '../../src/node/options.ts'
import { Replica } from '../../src/node/replica.ts'
import { freePorts } from './ports.ts'
import { runningServer } from './servers.ts'
import { until } from './until.ts'
import { Valve } from './valve.ts'

export interface ReplicasOptions {
  readonly count?: number
  /** Opens only these; all by default. */
  readonly open?: readonly number[]
  readonly durability?: 'memory' | 'fsync'
  readonly secret?: string
  readonly allowedOrigins?: readonly string[]
  readonly requestTimeoutMs?: number
  /** By id; free ones by default. */
  readonly clientPorts?: readonly number[]
  /** By id; by default the address at which each serves clients. */
  readonly advertise?: readonly string[]
  /** The replicas reach each other through valves, so that {@link Replicas.cutOff} works. */
  readonly valves?: boolean
}

export interface Served {
  readonly replica: Replica
  readonly server: ClientServer
  readonly url: string
}

/** Replicas of the key-value store in this process, on loopback sockets, each with its client port. */
export class Replicas {
  readonly served: Served[] = []
  readonly #options: ReplicasOptions
  readonly #peers: readonly number[]
  readonly #ports: readonly number[]
  #folder: string | null = null
  /** `#valves[from][to]`: what replica `from` dials to reach replica `to`. */
  #valves: Valve[][] = []

  /** Opens them and waits until all are ready, if a quorum is opened. */
  static async open(options: ReplicasOptions = {}): Promise<Replicas> {
    const { count = 3 } = options
    const ports = await freePorts(2 * count)
    const replicas = new Replicas(options, ports.slice(count), options.clientPorts ?? ports.slice(0, count))
    if (options.durability === 'fsync') replicas.#folder = await mkdtemp(join(tmpdir(), 'epaxos-clients-'))
    if (options.valves) await replicas.#openValves()
    const ids = options.open ?? Array.from({ length: count }, (_, id) => id)
    await Promise.all(ids.map((id) => replicas.start(id)))
    if (2 * ids.length > count) await replicas.ready()
    return replicas
  }

  private constructor(options: ReplicasOptions, peers: readonly number[], ports: readonly number[]) {
    this.#options = options
    this.#ports = ports
    this.#peers = peers
  }

  get urls(): string[] {
    return this.#ports.map((port) => `http://127.0.0.1:${port}`)
  }

  url(id: number): string {
    return this.urls[id] as string
  }

  port(id: number): number {
    return this.#ports[id] as number
  }

  /** The port on which it listens for the other replicas. */
  peerPort(id: number): number {
    return this.#peers[id] as number
  }

  replica(id: number): Replica {
    return (this.served[id] as Served).replica
  }

  async start(id: number): Promise<void> {
    const { durability = 'memory', secret, allowedOrigins = [], requestTimeoutMs = 2000 } = this.#options
    const { advertise } = this.#options
    const replica = await Replica.create({
      id,
      peers: this.#peersOf(id),
      machine: new KeyValueStore(),
      durability,
      requestTimeoutMs,
      server: runningServer().kind,
      engine: (process.env.EPAXOS_TEST_ENGINE ?? 'wasm') as EngineKind,
      advertise: advertise?.[id] || this.url(id),
      ...(this.#folder === null ? {} : { data: join(this.#folder, String(id)) }),
      ...(secret === undefined ? {} : { secret }),
    })
    const server = await serveClients(replica, {
      host: '127.0.0.1',
      port: this.port(id),
      secret: secret ?? null,
      allowedOrigins,
    })
    this.served[id] = { replica, server, url: this.url(id) }
    await replica.start()
  }

  /** Waits until all that are open answer clients. */
  async ready(): Promise<void> {
    await until(() => this.served.every(({ replica }) => replica.notReady === null), 'all replicas ready', 15_000)
  }

  /** Stops a replica and its port without waiting for what it had in flight. */
  async stop(id: number): Promise<void> {
    const { replica, server } = this.served[id] as Served
    delete this.served[id]
    await server.close()
    await replica.close()
  }

  async close(): Promise<void> {
    await Promise.all(Object.keys(this.served).map((id) => this.stop(Number(id))))
    await Promise.all(this.#valves.flat().map((valve) => valve.close()))
    if (this.#folder !== null) await rm(this.#folder, { recursive: true, force: true })
  }

  /**
   * From now on nothing that the replica sends arrives at another replica, nor the other way round; links stay open.
   */
  cutOff(id: number): void {
    this.#valves.forEach((valves, from) => {
      for (const [to, valve] of valves.entries()) if (from === id || to === id) valve.shut()
    })
  }

  async #openValves(): Promise<void> {
    const open = () => Promise.all(this.#peers.map((port) => Valve.open(port)))
    this.#valves = await Promise.all(this.#peers.map(open))
  }

  #peersOf(id: number): string[] {
    const valves = this.#valves[id]
    return this.#peers.map((port, peer) => {
      return `127.0.0.1:${valves === undefined || peer === id ? port : (valves[peer] as Valve).port}`
    })
  }
}
