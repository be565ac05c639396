import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('live cluster, peers by name')

/** A network, files and processes of its own, which end with it. Needs root. */
const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child']
const LIMIT_MS = 60_000

function hasNamespaces(): boolean {
  try {
    execFileSync('unshare', [...NAMESPACES, 'ip', 'link', 'set', 'lo', 'up'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const title =
  'with a silent name server, one peer and its name gone: another one that comes back makes a quorum at once'
const whereTheyAre = hasNamespaces() ? test : test.skip
whereTheyAre(title, () => {
  const node = [process.execPath, '--import', 'tsx', join(import.meta.dirname, 'silent-names.ts')]
  const output = execFileSync('unshare', [...NAMESPACES, ...node], { encoding: 'utf8', timeout: LIMIT_MS })
  const tookMs = Number(output.trim())
  console.log(`a quorum ${tookMs} ms after the restart`)
  assert.ok(tookMs > 0 && tookMs < 8000, `${tookMs} ms`)
})

test.run()
