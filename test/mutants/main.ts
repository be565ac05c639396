/**
 * `npm run mutants [-- WORD] [--minutes M]`: possible defects, one after the other, in copies of the source; the
 * simulator or the model checker must find each within M minutes. Prints a table, and exits with 1 if one survives, or
 * if a hunt broke off without a verdict.
 */
import { parseArgs } from 'node:util'
import { hunt } from './hunt.ts'
import { MUTANTS } from './list.ts'
import type { Hunted, Mutant } from './mutant.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '5' } },
})

/** A hunt that breaks off has found nothing, and the next ones still run. */
function hunted(mutant: Mutant): Hunted {
  try {
    return hunt(mutant, Number(values.minutes))
  } catch (error) {
    console.error(error)
    return { killed: false, verdict: 'the hunt broke off', effort: '', seconds: 0 }
  }
}

const [word = ''] = positionals
const chosen = MUTANTS.filter(({ name, hunter }) => name.includes(word) || hunter.by === word)
let survived = 0
console.log('| defect | found by | what it violates | after | s |\n|---|---|---|---|---|')
for (const mutant of chosen) {
  const { killed, verdict, effort, seconds } = hunted(mutant)
  if (!killed) survived++
  const found = killed ? verdict.replaceAll('|', '\\|').slice(0, 120) : `**SURVIVED** ${verdict}`
  console.log(`| ${mutant.name} | ${mutant.hunter.by} | ${found} | ${effort} | ${seconds.toFixed(1)} |`)
}
console.log(`\n${chosen.length - survived} killed, ${survived} survived`)
if (survived > 0 || chosen.length === 0) process.exitCode = 1
