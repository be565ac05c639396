/**
 * Fails if a line of the sources or of the texts is longer than 120 characters: exits with 1 and names each such line.
 * `node scripts/line-lengths.mjs [FILE…]`; without files, those that git tracks, except generated ones.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const MAX = 120
const root = join(dirname(fileURLToPath(import.meta.url)), '..')

const given = process.argv.slice(2)
const files = given.length > 0 ? given : tracked().map((path) => join(root, path))
if (files.length === 0) throw new Error('there is no file to check')

let found = 0
for (const file of files) {
  for (const [i, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    // Characters, not UTF-16 units or bytes.
    const length = [...line].length
    if (length <= MAX) continue
    found++
    console.log(`${relative('', file)}:${i + 1}: ${length} characters`)
  }
}
if (found > 0) process.exitCode = 1

function tracked() {
  const paths = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0')
  return paths.filter((path) => /\.(ts|mjs|md|fbs|sh)$|^\.ci\/[\w-]+$/.test(path) && !path.includes('/generated/'))
}
