import type { Counters } from './counters.ts'
import type { Outcome } from './simulation.ts'

/** Everything needed to understand and repeat a failure: seed, property, options, the last events. */
export function failureText({ options, failure, lastEvents, virtualMs, events }: Outcome): string {
  return [
    `seed ${options.seed} failed at ${virtualMs.toFixed(3)} ms of virtual time, after ${events} events`,
    `options: ${JSON.stringify(options)}`,
    'the last events (virtual ms):',
    ...lastEvents,
    failure?.stack ?? '',
  ].join('\n')
}

/** Seed, short options, virtual time and the hash of the trace, in one line. */
export function outcomeLine({ options, failure, virtualMs, events, traceHash, counters }: Outcome): string {
  const { seed, replicas, fastCrashes, machine, faults, clients } = options
  const verdict = failure === null ? 'ok' : `FAILED ${failure.message.split('\n')[0]}`
  return (
    `seed ${seed}: n=${replicas} e=${fastCrashes} ${machine}, ${clients.count} clients, ${faults.length} faults, ` +
    `${(virtualMs / 1000).toFixed(1)} s, ${events} events, ${counters.get('operations answered')} answers, ` +
    `trace ${traceHash}: ${verdict}`
  )
}

export function countersText(counters: Counters): string {
  return counters
    .entries()
    .map(([what, count]) => `  ${what}: ${count}`)
    .join('\n')
}
