/** `npm run model-check`: see {@link HELP}. Exits with 1 if a property is violated. */
import { readFileSync } from 'node:fs'
import { HELP, type Options, readOptions } from './options.ts'
import { replay } from './replay.ts'
import { type Found, search } from './search.ts'
import { walk } from './walk.ts'

function main(options: Options): void {
  if (options.help) return console.log(HELP)
  const { bounds } = options
  console.log(JSON.stringify(bounds))
  if (options.replay !== null) {
    const trace = readFileSync(options.replay, 'utf8').split('\n')
    const { property, steps } = replay(
      bounds,
      trace.filter((line) => line !== ''),
    )
    console.log([...steps, `violates: ${property || 'nothing'}`].join('\n'))
    process.exitCode = property === '' ? 0 : 1
    return
  }
  report(
    options,
    options.walks > 0
      ? walk(bounds, options, options.limits)
      : search(bounds, options.limits, { progress }, options.opening),
  )
}

function progress(found: Found): void {
  console.error(figures(found))
}

function figures({ states, transitions, depth, seconds, cpuSeconds, localStates, runs }: Found): string {
  return (
    `states ${states}, transitions ${transitions}, depth ${depth}, ${seconds.toFixed(1)} s ` +
    `(${cpuSeconds.toFixed(1)} of the processor; ` +
    `${localStates} local states, ${runs} runs of the core)`
  )
}

function report({ bounds }: Options, found: Found): void {
  console.log(figures(found))
  const { violation } = found
  if (violation === null) return console.log(found.exhausted ? 'exhausted, no violation' : 'no violation so far')
  const { property, steps } = replay(bounds, violation.trace)
  console.log(`VIOLATION ${violation.property}`)
  console.log(`replayed on plain replicas: ${property || 'not confirmed'}`)
  for (const step of steps) console.log(step)
  process.exitCode = 1
}

main(readOptions(process.argv.slice(2)))
