/**
 * Builds the published files: the wasm engine (scripts/build-wasm.mjs), and dist/ = JavaScript and types of src/.
 * Reports on stderr, because `npm pack --json` uses stdout. A part that did not change since the last build is not
 * built again. dist/ is replaced as a whole, so that a program that runs from it never sees half of it.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

mkdirSync(join(root, 'build'), { recursive: true })
step(
  'wasm',
  ['assembly', 'asconfig.json', 'scripts/build-wasm.mjs', 'package-lock.json'],
  'build/engine.wasm',
  buildWasm,
)
step('dist', ['src', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'], 'dist/cli/main.js', buildDist)

/** Runs `build` unless its result exists and was made from the same sources. */
function step(name, sources, result, build) {
  const stampFile = join(root, `build/${name}.stamp`)
  const stamp = hashOf(sources)
  const isFresh = existsSync(join(root, result)) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp
  if (!isFresh) {
    build()
    writeFileSync(stampFile, stamp)
  }
  console.error(`${name} ${isFresh ? 'is up to date' : 'built'}`)
}

function hashOf(paths) {
  const hash = createHash('sha256')
  const visit = (path) => {
    const isFolder = statSync(join(root, path)).isDirectory()
    hash.update(`${path}\n`)
    if (!isFolder) hash.update(readFileSync(join(root, path)))
    else for (const name of readdirSync(join(root, path)).sort()) visit(join(path, name))
  }
  paths.forEach(visit)
  return hash.digest('hex')
}

function buildWasm() {
  run(process.execPath, ['scripts/build-wasm.mjs'])
}

function buildDist() {
  const dist = join(root, 'dist')
  const fresh = join(root, `build/dist-${process.pid}`)
  const old = join(root, `build/dist-${process.pid}-old`)
  try {
    run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', fresh])
    chmodSync(join(fresh, 'cli/main.js'), 0o755)
    if (existsSync(dist)) renameSync(dist, old)
    renameSync(fresh, dist)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
    rmSync(old, { recursive: true, force: true })
  }
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (error) throw error
  if (status !== 0) throw new Error(`${args.join(' ')} failed`)
}
