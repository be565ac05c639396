import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('the index of scenarios')

const SCENARIOS = 29

interface Row {
  readonly number: number
  readonly waits: boolean
  /** Words of titles, by file. */
  readonly titles: ReadonlyMap<string, readonly string[]>
}

function sourceOf(path: string): string {
  return readFileSync(join(import.meta.dirname, path), 'utf8')
}

/** The words in quotation marks behind each path. */
function titlesOf(text: string): Map<string, string[]> {
  const titles = new Map<string, string[]>()
  for (const [, path = '', words = ''] of text.matchAll(/`([\w/.-]+\.ts)`((?:[ ,]*"[^"]+")+)/g)) {
    titles.set(
      path,
      [...words.matchAll(/"([^"]+)"/g)].map(([, title]) => title as string),
    )
  }
  return titles
}

const lines = sourceOf('README.md').split('\n')
const rows = lines.flatMap((line): Row[] => {
  const [, number, tests = ''] = /^\| (\d+) \| .* \| (.*) \|$/.exec(line) ?? []
  return number === undefined
    ? []
    : [{ number: Number(number), waits: tests.startsWith('waits for: '), titles: titlesOf(tests) }]
})

test('each scenario has a row, which names its tests or what it waits for', () => {
  assert.equal(
    rows.map(({ number }) => number),
    Array.from({ length: SCENARIOS }, (_, i) => i + 1),
  )
  for (const { number, waits, titles } of rows) assert.is.not(waits, titles.size > 0, `scenario ${number}`)
})

test('the files that it names exist, with titles of these words', () => {
  const missing: string[] = []
  for (const line of lines) {
    for (const [path, titles] of titlesOf(line)) {
      const source = sourceOf(path)
      missing.push(...titles.filter((title) => !source.includes(title)).map((title) => `${path}: ${title}`))
    }
  }
  assert.equal(missing, [])
})

test('each file with a test that is named by a scenario stands in the row of that', () => {
  const missing: string[] = []
  const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  for (const path of files.filter((file) => file.endsWith('.ts'))) {
    for (const number of scenariosNamedIn(sourceOf(path))) {
      if (!rows[number - 1]?.titles.has(path)) missing.push(`scenario ${number}: ${path}`)
    }
  }
  assert.equal(missing, [])
})

/** Titles name scenarios at their end, in parentheses, or begin with the number. */
function scenariosNamedIn(source: string): number[] {
  const atTheEnd = [...source.matchAll(/\(scenario (\d[\d, ]*)/g)].flatMap(([, list = '']) =>
    list.split(',').filter((text) => text.trim() !== ''),
  )
  const atTheBeginning = [...source.matchAll(/(?:each\(\s*|title: )['`](\d+): /g)].map(([, number]) => number)
  return [...atTheEnd, ...atTheBeginning].map(Number)
}

test.run()
