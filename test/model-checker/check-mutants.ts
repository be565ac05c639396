/** `npm run model-check:mutants [-- WORD]`: gives the checker a core with one defect after the other. Exits with 1 where one survives. */
import { check, MUTANTS } from './mutants.ts'

const [word = ''] = process.argv.slice(2)
for (const mutant of MUTANTS.filter(({ name }) => name.includes(word))) {
  const { found, confirmed, verdict, states, steps, seconds } = check(mutant)
  const how = found ? `${verdict}${confirmed ? '' : ' (not confirmed)'}; ${steps} steps` : 'SURVIVED'
  console.log(`${mutant.name}: ${how}, ${states} states, ${seconds} s (${mutant.bounds})`)
  if (!confirmed) process.exitCode = 1
}
