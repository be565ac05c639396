import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Patch } from './mutant.ts'

const ROOT = resolve(import.meta.dirname, '../..')

/** Runs `body` with a copy of the project that contains the patches. */
export function inCopy<T>(patches: readonly Patch[], body: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'epaxos-mutant-'))
  try {
    for (const part of ['package.json', 'tsconfig.json', 'src', 'test']) {
      cpSync(join(ROOT, part), join(folder, part), { recursive: true })
    }
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    for (const { file, from, to } of patches) patch(join(folder, 'src', file), from, to)
    return body(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Throws unless the source has exactly one such place: a mutant must not become outdated unnoticed. */
function patch(path: string, from: string, to: string): void {
  const source = readFileSync(path, 'utf8')
  if (source.split(from).length !== 2) throw new Error(`${path} has not exactly one place that reads ${from}`)
  writeFileSync(
    path,
    source.replace(from, () => to),
  )
}
