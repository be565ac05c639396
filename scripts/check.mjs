/** Checks everything that must hold for the tree besides its tests; reports what does not, and exits with 1 then. */
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const modules = join(root, 'node_modules')

const checks = [
  { name: 'types', command: process.execPath, args: [join(modules, 'typescript/bin/tsc'), '--noEmit'] },
  {
    name: 'lint and format',
    command: process.execPath,
    args: [join(modules, '@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.'],
  },
  { name: 'layers import inwards', command: process.execPath, args: ['scripts/layers.mjs'] },
  { name: 'lines of at most 120 characters', command: process.execPath, args: ['scripts/line-lengths.mjs'] },
  { name: 'generated code is fresh', command: process.execPath, args: ['scripts/generate.mjs', '--check'] },
  { name: 'wasm is fresh', command: process.execPath, args: ['scripts/build-wasm.mjs', '--check'] },
  {
    name: 'lockfile is in step with package.json',
    command: 'npm',
    args: ['ls', '--package-lock-only', '--all', '--silent'],
  },
]

const failed = []
for (const { name, command, args } of checks) {
  const { code, output } = await run(command, args)
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name}`)
  if (code === 0) continue
  failed.push(name)
  console.log(output.replaceAll(/^/gm, '       '))
}
if (failed.length > 0) {
  console.log(`failed: ${failed.join(', ')}`)
  process.exitCode = 1
}

/** @returns {Promise<{code: number, output: string}>} both streams as they came */
function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    }
    child.on('error', (error) => resolve({ code: 1, output: String(error) }))
    child.on('close', (code) => resolve({ code: code ?? 1, output }))
  })
}
