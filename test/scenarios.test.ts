import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('the index of scenarios')

const SCENARIOS = 29

/** What the README says of one scenario. */
interface Row {
  readonly number: number
  readonly waits: boolean
  /** Words of titles, by file. */
  readonly titles: ReadonlyMap<string, readonly string[]>
}

function sourceOf(path: string): string {
  return readFileSync(join(import.meta.dirname, path), 'utf8')
}

/** Each path that is followed by titles in quotation marks, and these titles. */
function titlesOf(text: string): [path: string, titles: string[]][] {
  return [...text.matchAll(/`([\w/.-]+\.ts)`((?:[\s,]*"[^"]+")+)/g)].map(([, path = '', words = '']) => [
    path,
    [...words.matchAll(/"([^"]+)"/g)].map(([, title]) => title as string),
  ])
}

const readme = sourceOf('README.md')
/** Items of the numbered list: the number, and the lines that belong to it. */
const rows = [...readme.matchAll(/^(\d+)\. .*(?:\n {3,}\S.*)*/gm)].map(([text, number]): Row => {
  return { number: Number(number), waits: /- Waits for: /.test(text), titles: new Map(titlesOf(text)) }
})

test('each scenario has an item, which names its tests or what it waits for', () => {
  assert.equal(
    rows.map(({ number }) => number),
    Array.from({ length: SCENARIOS }, (_, i) => i + 1),
  )
  for (const { number, waits, titles } of rows) assert.is.not(waits, titles.size > 0, `scenario ${number}`)
})

test('the files that the README names exist, with titles of these words', () => {
  const missing = titlesOf(readme).flatMap(([path, titles]) => {
    const source = sourceOf(path)
    return titles.filter((title) => !source.includes(title)).map((title) => `${path}: ${title}`)
  })
  assert.equal(missing, [])
})

test('each test that names a scenario is in the item of that scenario', () => {
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
