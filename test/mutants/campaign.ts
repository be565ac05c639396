/**
 * Runs in a copy with a defect: clusters whose members change, seed after seed until one fails; or one story of them.
 * Prints what it found as JSON; exits with 1 if it found something, with 0 if the time ended first.
 */
import { parseArgs } from 'node:util'
import { run } from '../epochs/campaign.ts'
import { STORIES } from '../epochs/stories.ts'

const { values } = parseArgs({
  options: { story: { type: 'string', default: '' }, minutes: { type: 'string', default: '1' } },
})

/** What a defect throws out of an event ends the run, as a failure does. */
async function failureOf(seed: number): Promise<string | null> {
  try {
    if (values.story === '') return (await run(seed)).failure
    await (STORIES[values.story] as () => Promise<void>)()
    return null
  } catch (error) {
    return `${error}`
  }
}

async function main(): Promise<void> {
  const startedAt = performance.now()
  const end = startedAt + Number(values.minutes) * 60_000
  let failure: string | null = null
  let seed = 0
  while (performance.now() < end && failure === null && (seed === 0 || values.story === '')) {
    failure = await failureOf(++seed)
  }
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10
  const verdict = failure?.split('\n')[0] ?? 'no violation'
  console.log(JSON.stringify({ verdict, seed, seeds: seed, seconds }))
  process.exit(failure === null ? 0 : 1)
}

await main()
