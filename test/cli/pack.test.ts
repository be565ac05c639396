import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../support/cli.ts'
import { freePorts } from '../support/ports.ts'

const test = suite('the package')

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs a program to its end and gives its stdout. */
async function run(cwd: string, program: string, ...args: string[]): Promise<string> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|EPAXOS_)/i.test(name)))
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  assert.is(child.exitCode, 0, `${program} ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

const LIBRARY = `
import { strict as assert } from 'node:assert'
import { KeyValueStore, Replica } from 'epaxos'
import { connect } from 'epaxos/client'
import { FootprintBuilder, loadEngine } from 'epaxos/engine'

assert.equal(typeof connect, 'function')
const engine = await loadEngine({ replicas: 3 })
const keys = new FootprintBuilder()
keys.write(new TextEncoder().encode('alice'))
assert.deepEqual([...engine.dependencies(0, 1, keys.take())], [0, 0, 0])

const machine = new KeyValueStore()
const replica = await Replica.open({ id: 0, peers: ['127.0.0.1:' + process.argv[2]], data: './data', machine })
await replica.close()
console.log('works')
`

const TYPES = `
import { KeyValueStore, Replica, type StateMachine } from 'epaxos'
import { connect } from 'epaxos/client'
import { type Engine, loadEngine } from 'epaxos/engine'

export const engine: Promise<Engine> = loadEngine({ replicas: 3 })
export const machine: StateMachine = new KeyValueStore()
export const replica: Promise<Replica> = Replica.open({ id: 0, peers: ['127.0.0.1:7101'], data: './data', machine })
export async function write(): Promise<void> {
  const db = await connect(['ws://127.0.0.1:7001'])
  await db.put('k', 'v')
  await db.close()
}
// @ts-expect-error: there is no such durability
void Replica.open({ id: 0, peers: [], machine, durability: 'none' })
`

const CONFIGURATION = {
  compilerOptions: {
    strict: true,
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2023', 'dom'],
    types: [],
    noEmit: true,
  },
  files: ['types.ts'],
}

test('its tarball, installed into an empty folder, works as a command and as a library, with types', () =>
  withFolder(async (folder) => {
    const [{ filename, files }] = JSON.parse(
      await run(root, 'npm', 'pack', '--silent', '--json', '--pack-destination', folder),
    ) as [{ filename: string; files: { path: string }[] }]
    const paths = files.map(({ path }) => path)
    for (const path of ['LICENSE', 'README.md', 'dist/cli/main.js', 'dist/index.d.ts']) assert.ok(paths.includes(path))
    assert.not(paths.some((path) => /^(src|test|build|scripts)\//.test(path)))

    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
    await run(folder, 'npm', 'install', '--silent', '--prefer-offline', '--no-audit', '--no-fund', `./${filename}`)
    assert.match(await run(folder, 'npx', '--no-install', 'epaxos', '--version'), /^\d+\.\d+\.\d+\n$/)

    const [port] = await freePorts(1)
    writeFileSync(join(folder, 'library.js'), LIBRARY)
    assert.is(await run(folder, process.execPath, 'library.js', String(port)), 'works\n')

    writeFileSync(join(folder, 'types.ts'), TYPES)
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(CONFIGURATION))
    await run(folder, process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '-p', '.')
  }))

test.run()
