import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'

/** Milliseconds by file, of the last whole run on this machine. */
const DURATIONS_FILE = 'build/test-durations.json'

/**
 * The test files below `folder` whose paths contain one of the words, or all test files; relative to the working
 * directory.
 */
export function findTests(folder: string, words: readonly string[]): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => relative(process.cwd(), join(folder, path)))
    .filter((path) => words.length === 0 || words.some((word) => path.includes(word)))
    .sort()
}

/** Longest first, so that no long file is alone at the end; files that never ran come before. */
export function byDuration(files: readonly string[]): string[] {
  const known = readDurations()
  const durationOf = (file: string) => known[file] ?? Number.POSITIVE_INFINITY
  return [...files].sort((a, b) => durationOf(b) - durationOf(a) || (a < b ? -1 : 1))
}

export function rememberDurations(outcomes: readonly { readonly file: string; readonly durationMs: number }[]): void {
  const durations = Object.fromEntries(outcomes.map(({ file, durationMs }) => [file, Math.round(durationMs)]))
  mkdirSync('build', { recursive: true })
  writeFileSync(DURATIONS_FILE, `${JSON.stringify(durations, null, 2)}\n`)
}

function readDurations(): Partial<Record<string, number>> {
  try {
    return JSON.parse(readFileSync(DURATIONS_FILE, 'utf8'))
  } catch {
    return {}
  }
}
