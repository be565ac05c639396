import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../support/cli.ts'

const test = suite('the check of layers and circles')

const LAYERS = [fileURLToPath(new URL('../../scripts/layers.mjs', import.meta.url)), '.']
const BIOME = [fileURLToPath(new URL('../../node_modules/@biomejs/biome/bin/biome', import.meta.url)), 'lint', 'src']

/** Checks a tree that has these files with a program. */
async function check(
  files: Readonly<Record<string, string>>,
  program: readonly string[] = LAYERS,
): Promise<{ status: number | null; said: string }> {
  let checked = { status: null as number | null, said: '' }
  await withFolder(async (folder) => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(folder, 'src', dirname(path)), { recursive: true })
      writeFileSync(join(folder, 'src', path), text)
    }
    copyFileSync('biome.json', join(folder, 'biome.json'))
    const { status, stdout, stderr } = spawnSync(process.execPath, program, { cwd: folder, encoding: 'utf8' })
    checked = { status, said: stdout + stderr }
  })
  return checked
}

const GOOD = {
  'errors.ts': 'export const ErrorCode = 1\n',
  'engine/engine.ts': "import { ErrorCode } from '../errors.ts'\nexport const engine = ErrorCode\n",
  'protocol/core.ts': "export { engine } from '../engine/engine.ts'\n",
  'node/status.ts': "import { writeSync } from 'node:fs'\nexport { writeSync }\nexport * from '../protocol/core.ts'\n",
  'cli/main.ts':
    "import { engine } from '../protocol/core.ts'\nexport const main = [engine, import('../node/status.ts')]\n",
}

test('what imports inwards passes', async () => {
  const { status, said } = await check(GOOD)
  assert.is(status, 0, said)
})

test('an import outwards fails by its place, in whatever form', async () => {
  const cases: [path: string, text: string, why: string][] = [
    ['engine/bad.ts', "import { core } from '../protocol/core.ts'\nexport const a = core\n", 'only from itself'],
    ['protocol/bad.ts', "import type { Status } from '../node/status.ts'\nexport type A = Status\n", 'src/engine'],
    ['protocol/bad.ts', "export * from '../cli/main.ts'\n", 'src/engine'],
    ['execution/bad.ts', "export const a = import('../node/status.ts')\n", 'src/engine, src/protocol'],
    ['execution/bad.ts', "import { now } from 'node:perf_hooks'\nexport const a = now\n", 'src/engine, src/protocol'],
    ['machine/bad.ts', "import 'lmdb'\n", 'src/engine, src/protocol, src/execution'],
    ['client/deep/bad.ts', "export * from '../../node/status.ts'\n", 'src/execution'],
    ['storage/bad.ts', "export * from '../transport/links.ts'\n", 'only from src/engine'],
    ['errors.ts', "export * from './json.ts'\n", 'it imports none'],
  ]
  for (const [path, text, why] of cases) {
    const { status, said } = await check({ ...GOOD, [path]: text })
    assert.is(status, 1, `${path}: ${text}${said}`)
    assert.ok(said.includes(`src/${path}:1:`) && said.includes(why), said)
  }
})

test('a circle fails, of types as well; what imports without one passes', async () => {
  const a = "import type { B } from './b.ts'\n\nexport interface A extends B {}\n"
  const b = "import type { C } from './c.ts'\n\nexport interface B extends C {}\n"
  const c = "import type { A } from './a.ts'\n\nexport interface C {\n  readonly a: A\n}\n"
  const good = await check({ ...GOOD, 'node/a.ts': a, 'node/b.ts': b, 'node/c.ts': 'export type C = object\n' }, BIOME)
  assert.is(good.status, 0, good.said)
  const bad = await check({ ...GOOD, 'node/a.ts': a, 'node/b.ts': b, 'node/c.ts': c }, BIOME)
  assert.is(bad.status, 1, bad.said)
  assert.match(bad.said, /src\/node\/a\.ts:1:.*noImportCycles/)
})

test.run()
