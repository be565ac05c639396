/** What was measured of one kind of command. */
export interface KindResult {
  readonly commands: number
  readonly commandsPerSecond: number
  readonly latencyMs: { readonly p50: number; readonly p99: number }
}

/** The result of a measurement; names carry the units of times and sizes. */
export interface BenchResult {
  readonly replicas: number
  readonly durability: string
  readonly engine: string
  /** Of the peer port. */
  readonly server: string
  /** Per replica. */
  readonly outstanding: number
  readonly conflictsPercent: number
  readonly keySize: number
  readonly valueSize: number
  readonly sessions: boolean
  readonly seconds: number
  /** Commands answered as done during the measurement. */
  readonly commands: number
  readonly commandsPerSecond: number
  /** Of the writes, unless all commands read. */
  readonly latencyMs: { readonly p50: number; readonly p99: number }
  /** Null if nothing reads; `percent` of the commands in flight. */
  readonly reads: (KindResult & { readonly percent: number; readonly by: string }) | null
  /** Of all measured processes together; null if none was named. */
  readonly cpuMicrosPerCommand: number | null
  /** Of the process that measures, which shares the machine. */
  readonly generatorCpuMicrosPerCommand: number | null
  /** Instances, not commands: one instance carries a batch. */
  readonly fast: number
  readonly slow: number
  readonly fastPathRatio: number | null
  readonly recovered: number
  /** Commands. */
  readonly refused: number
  readonly unknown: number
}

export function resultText(result: BenchResult): string {
  const { latencyMs, cpuMicrosPerCommand, fastPathRatio } = result
  const rows = [
    [
      'replicas',
      `${result.replicas}, durability ${result.durability}, engine ${result.engine}, server ${result.server}`,
    ],
    ['outstanding', `${result.outstanding} at each, sessions ${result.sessions ? 'on' : 'off'}`],
    ['load', `${result.conflictsPercent} % conflicts, keys ${result.keySize} bytes, values ${result.valueSize} bytes`],
    ['throughput', `${result.commandsPerSecond} commands/s (${result.commands} in ${result.seconds} s)`],
    ['latency', `p50 ${latencyMs.p50} ms, p99 ${latencyMs.p99} ms`],
    ['CPU', cpuMicrosPerCommand === null ? 'not measured' : `${cpuMicrosPerCommand} us per command, all replicas`],
    ['fast path', fastPathRatio === null ? 'no instance' : `${(100 * fastPathRatio).toFixed(2)} % of instances`],
  ]
  const { refused, unknown, recovered, reads } = result
  if (reads !== null) {
    const { p50, p99 } = reads.latencyMs
    const what = `${reads.percent} % in flight, ${reads.by}: ${reads.commandsPerSecond}/s, p50 ${p50} ms, p99 ${p99} ms`
    rows.splice(4, 0, ['reads', what])
  }
  if (recovered > 0) rows.push(['recovered', `${recovered} instances`])
  if (refused + unknown > 0) rows.push(['FAILED', `${refused} commands refused, ${unknown} of unknown outcome`])
  return `${rows.map(([name, value]) => `${(name as string).padEnd(12)} ${value}`).join('\n')}\n`
}
