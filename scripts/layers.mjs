/**
 * Fails if a layer of `src` imports from one that it must not know; type imports count. Names each such import and
 * exits with 1. `node scripts/layers.mjs [DIR]`; without DIR, this project. (Circles are found by biome.json.)
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Every file may import these. They import nothing. */
const COMMON = ['errors.ts', 'json.ts']

const NODE = ['node:*', 'node:*/**']

/**
 * Each layer, from the inside out: what else of `src` it may import, and packages. The layers without packages run in
 * browsers, too. `src/index.ts` and `src/cli` may import everything, and nobody imports them.
 */
const LAYERS = {
  engine: [[]],
  protocol: [['engine']],
  execution: [['engine', 'protocol']],
  machine: [['engine', 'protocol', 'execution']],
  codec: [['engine', 'protocol', 'execution'], ['flatbuffers']],
  system: [[], NODE],
  transport: [
    ['protocol', 'codec', 'system'],
    [...NODE, 'ws', 'uWebSockets.js'],
  ],
  storage: [
    ['engine', 'protocol', 'execution', 'codec', 'system'],
    [...NODE, 'lmdb'],
  ],
  metrics: [[], ['prom-client']],
  node: [['engine', 'protocol', 'execution', 'codec', 'system', 'transport', 'storage', 'metrics'], NODE],
  client: [['execution', 'machine', 'codec', 'transport']],
  http: [['execution', 'machine', 'codec', 'transport', 'metrics', 'node', 'client', 'outcomes.ts'], NODE],
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
process.exitCode = check(process.argv[2] ?? root)

function check(folder) {
  const place = mkdtempSync(join(tmpdir(), 'epaxos-layers-'))
  try {
    const config = join(place, 'biome.json')
    writeFileSync(config, JSON.stringify(configuration()))
    const biome = join(root, 'node_modules/@biomejs/biome/bin/biome')
    const args = [biome, 'lint', `--config-path=${config}`, join(folder, 'src')]
    return spawnSync(process.execPath, args, { cwd: folder, stdio: 'inherit' }).status ?? 1
  } finally {
    rmSync(place, { recursive: true })
  }
}

function configuration() {
  const overrides = Object.entries(LAYERS).map(([layer, [folders, packages = []]]) => {
    const allowed = [...COMMON, ...folders].map((name) => (name.endsWith('.ts') ? `../${name}` : `../${name}/**`))
    const names = [...folders.map((name) => `src/${name}`), ...packages].filter((name) => !name.endsWith('/**'))
    const message = `src/${layer} imports only from ${names.length === 0 ? 'itself' : names.join(', ')}`
    return restricted([`**/src/${layer}/**`], ['./**', ...allowed, ...packages], message)
  })
  const common = COMMON.map((name) => `**/src/${name}`)
  return {
    files: { includes: ['**', '!**/generated'] },
    linter: { rules: { preset: 'none' } },
    overrides: [...overrides, restricted(common, [], 'every file imports this one, so it imports none')],
  }
}

/** In Biome's patterns, as in a .gitignore, the last match wins. */
function restricted(includes, allowed, message) {
  const group = ['**', ...allowed.map((pattern) => `!${pattern}`)]
  const noRestrictedImports = { level: 'error', options: { patterns: [{ group, message }] } }
  return { includes, linter: { rules: { style: { noRestrictedImports } } } }
}
