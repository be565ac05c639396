/** Judges histories of chaos runs again: `npm run check-history -- FILE…`. Exits with 1 if one is not linearizable. */
import { check } from '../linearizability/checker.ts'
import { keyValueModel } from '../simulator/key-value-model.ts'
import { readHistory } from './history-file.ts'

for (const path of process.argv.slice(2)) {
  const history = readHistory(path)
  const verdict = check(keyValueModel, history)
  console.log(`${path}: ${history.length} operations, ${verdict.linearizable ? '' : 'NOT '}linearizable`)
  if (verdict.linearizable) continue
  console.log(verdict.window)
  process.exitCode = 1
}
