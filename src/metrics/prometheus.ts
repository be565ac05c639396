import { Counter, collectDefaultMetrics, Gauge, Histogram, type MetricObjectWithValues, Registry } from 'prom-client'
import { BOUNDS_MS, type Durations } from './durations.ts'
import type { Shown } from './numbers.ts'
import { type Row, TABLE } from './table.ts'

const INFO = ['id', 'cluster', 'durability', 'engine', 'server'] as const

/** The id is empty while the replica belongs to no cluster. */
export type Info = Readonly<Record<(typeof INFO)[number], string>>

/** The numbers of the process: processor, memory, event loop, garbage collection. Measured since the first use. */
let ofProcess: Registry | null = null

/** Numbers of a replica and of its process in the text format of Prometheus. */
export class Prometheus {
  readonly #registry = new Registry()
  readonly #info: () => Info
  readonly #is: Gauge
  readonly #rows: readonly (readonly [keyof Shown, Row])[]
  readonly #metrics = new Map<string, Counter | Gauge | DurationsHistogram>()

  /** @param info what it is: the labels of `epaxos_info` */
  constructor(info: () => Info) {
    const registers = [this.#registry]
    this.#info = info
    this.#is = new Gauge({ name: 'epaxos_info', help: 'What this replica is.', labelNames: INFO, registers })
    this.#rows = Object.entries(TABLE) as [keyof Shown, Row][]
    for (const [, { name, kind, help }] of this.#rows) {
      if (this.#metrics.has(name)) continue
      const options = { name, help, labelNames: labelsOf(name), registers }
      this.#metrics.set(name, kind === 'histogram' ? new DurationsHistogram(options) : new KINDS[kind](options))
    }
    ofProcess ??= registryOfProcess()
  }

  async text(numbers: Shown): Promise<string> {
    for (const metric of this.#metrics.values()) metric.reset()
    this.#is.reset()
    this.#is.set(this.#info(), 1)
    for (const [number, row] of this.#rows) this.#set(row, numbers[number])
    const process = await (ofProcess as Registry).metrics()
    // Between two scrapes at once there is no delay of the event loop to average.
    return `${await this.#registry.metrics()}\n${process.replaceAll(/^\S+ NaN\n/gim, '')}`
  }

  #set({ name, labels = {}, by, scale = 1 }: Row, value: Shown[keyof Shown]): void {
    const metric = this.#metrics.get(name)
    if (metric instanceof DurationsHistogram) metric.durations = value as Durations
    else if (typeof value === 'number') metric?.inc(labels, value * scale)
    else if (by !== undefined) {
      for (const [key, one] of Object.entries(value ?? {})) metric?.inc({ ...labels, [by]: key }, one * scale)
    }
  }
}

function registryOfProcess(): Registry {
  const register = new Registry()
  collectDefaultMetrics({ register })
  // Gauges with the names of counters.
  for (const what of ['handles', 'requests', 'resources']) register.removeSingleMetric(`nodejs_active_${what}_total`)
  return register
}

/** The labels of all rows that share the name. */
function labelsOf(name: string): string[] {
  const rows = Object.values(TABLE).filter((row) => row.name === name)
  return [
    ...new Set(rows.flatMap(({ labels = {}, by }) => [...Object.keys(labels), ...(by === undefined ? [] : [by])])),
  ]
}

const KINDS = { counter: Counter, gauge: Gauge } as const

/** A histogram whose values were counted elsewhere. */
class DurationsHistogram extends Histogram {
  durations: Durations | null = null

  override async get(): Promise<MetricObjectWithValues<never>> {
    const { name, help, aggregator, durations } = this as unknown as Described & { durations: Durations | null }
    const values: { metricName: string; labels: object; value: number }[] = []
    let count = 0
    for (const [i, counted] of (durations?.counts ?? []).entries()) {
      count += counted
      const bound = BOUNDS_MS[i]
      const le = bound === undefined ? '+Inf' : bound / 1000
      values.push({ metricName: `${name}_bucket`, labels: { le }, value: count })
    }
    values.push({ metricName: `${name}_sum`, labels: {}, value: (durations?.sumMs ?? 0) / 1000 })
    values.push({ metricName: `${name}_count`, labels: {}, value: count })
    return { name, help, type: 'histogram', aggregator, values } as never
  }

  /** What the library uses for the text. */
  getForPromString(): Promise<MetricObjectWithValues<never>> {
    return this.get()
  }
}

interface Described {
  readonly name: string
  readonly help: string
  readonly aggregator: string
}
