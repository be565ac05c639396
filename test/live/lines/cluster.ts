import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EngineKind } from '../../../src/node/options.ts'
import { freePorts } from '../../support/ports.ts'
import { until } from '../cluster.ts'
import type { Transcript } from './judge.ts'
import type { Proposal, Report } from './messages.ts'
import { LineProcess } from './process.ts'

const REPLICAS = [0, 1, 2]

/** By replica. */
export type Engines = readonly [EngineKind, EngineKind, EngineKind]

/** The time for all to execute what is answered. */
const CATCH_UP_MS = 20_000

/** Three replicas, each a process that writes down the lines that it executes. */
export class LineCluster {
  readonly #folder = mkdtempSync(join(tmpdir(), 'epaxos-lines-'))
  readonly #peers: readonly string[]
  readonly #engines: Engines
  /** Null for a killed process. */
  readonly #processes: (LineProcess | null)[] = REPLICAS.map(() => null)
  #answered = 0
  #closed = false

  /** Resolves when all accept proposals. */
  static async open(engines: Engines = ['wasm', 'wasm', 'wasm']): Promise<LineCluster> {
    const cluster = new LineCluster(await freePorts(REPLICAS.length), engines)
    try {
      await Promise.all(REPLICAS.map((id) => cluster.start(id)))
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  static async use(body: (cluster: LineCluster) => Promise<void>, engines?: Engines): Promise<void> {
    const cluster = await LineCluster.open(engines)
    try {
      await body(cluster)
    } finally {
      await cluster.close()
    }
  }

  private constructor(ports: readonly number[], engines: Engines) {
    this.#engines = engines
    this.#peers = ports.map((port) => `127.0.0.1:${port}`)
  }

  /** Resolves when the replica accepts proposals: it has executed everything that was answered before. */
  async start(id: number): Promise<void> {
    const where = ['--data', join(this.#folder, `${id}`), '--transcript', this.#transcript(id)]
    const how = ['--engine', this.#engines[id] as EngineKind]
    const replica = new LineProcess(['--id', `${id}`, '--peers', this.#peers.join(','), ...where, ...how])
    this.#processes[id] = replica
    await replica.ready
  }

  /** kill -9. */
  async kill(id: number): Promise<void> {
    const replica = this.#processes[id]
    this.#processes[id] = null
    await replica?.kill()
  }

  /**
   * Null if the replica is killed, refuses, or does not know the outcome: then the proposal must be repeated, here or
   * elsewhere.
   */
  async propose(id: number, proposal: Proposal): Promise<number | null> {
    const replica = this.#processes[id]
    if (this.#closed || replica?.ended) throw new Error(`replica ${id} has ended`)
    const number = (await replica?.propose(proposal)) ?? null
    if (number !== null) this.#answered++
    return number
  }

  /** The reports of the running replicas. */
  reports(): Promise<Report[]> {
    return Promise.all(this.#running.map((replica) => replica.report()))
  }

  /** Waits until every running replica has executed everything that was ever answered, and reached the same state. */
  allExecuted(): Promise<void> {
    return until('all replicas have executed the same', CATCH_UP_MS, async () => {
      const reports = await this.reports()
      const isEqual = reports.every(({ stateHash }) => stateHash === reports[0]?.stateHash)
      return isEqual && reports.every(({ lines }) => lines >= this.#answered)
    })
  }

  /** What each replica has executed; for a killed one, up to its end. */
  transcripts(): Transcript[] {
    return REPLICAS.map((id) => ({
      isWhole: this.#processes[id] !== null,
      lines: readFileSync(this.#transcript(id), 'utf8').split('\n').slice(0, -1),
    }))
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#running.map((replica) => replica.kill()))
    rmSync(this.#folder, { recursive: true, force: true })
  }

  get #running(): LineProcess[] {
    return this.#processes.filter((replica) => replica !== null)
  }

  #transcript(id: number): string {
    return join(this.#folder, `transcript-${id}`)
  }
}
