/**
 * `npm run bench [-- NAME…]`: runs the parts whose names contain one of the words, or all parts except those that take
 * many minutes. Each part is a file `NAME.bench.ts` and runs in a process of its own, so that no part measures what
 * another left behind.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** They show that something levels off, which takes long: they run only by name. */
const LONG = 'growth'

const words = process.argv.slice(2)
const parts = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.bench.ts'))
const chosen = parts.filter((file) =>
  words.length === 0 ? !file.startsWith(LONG) : words.some((word) => file.includes(word)),
)
if (chosen.length === 0) {
  console.error(
    `no part is named ${words.join(' or ')}: there are ${parts.map((file) => file.split('.')[0]).join(', ')}`,
  )
  process.exit(2)
}
for (const file of chosen) {
  console.log(`\n# ${file.split('.')[0]}`)
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', join(import.meta.dirname, file)], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}
