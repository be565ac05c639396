import { spawnSync } from 'node:child_process'
import { inCopy } from './copy.ts'
import type { Hunted, Mutant } from './mutant.ts'

/** Time for a hunter to notice that its time is over. */
const GRACE_MS = 120_000

/** Hunts the mutant in a copy of the project, for at most this time. Throws if the hunt itself fails. */
export function hunt(mutant: Mutant, minutes: number): Hunted {
  const hunted = huntInCopy(mutant, minutes)
  if (/ is not defined$/.test(hunted.verdict)) throw new Error(`the defect is no program: ${hunted.verdict}`)
  return hunted
}

function huntInCopy({ patches, hunter }: Mutant, minutes: number): Hunted {
  return inCopy(patches, (folder) => {
    if (hunter.by === 'model-check')
      return checked(run(folder, 'model-checker/main.ts', hunter.bounds.split(' '), minutes))
    if (hunter.by === 'epochs') {
      const flags = hunter.story === undefined ? [] : ['--story', hunter.story]
      return simulated(run(folder, 'mutants/campaign.ts', flags, minutes))
    }
    const engine = ['--engine', hunter.engine ?? 'wasm']
    const replicas = hunter.replicas === undefined ? [] : ['--replicas', `${hunter.replicas}`]
    const absences = hunter.absences === true ? ['--absences'] : []
    return simulated(run(folder, 'mutants/simulate.ts', [...engine, ...replicas, ...absences], minutes))
  })
}

function run(
  folder: string,
  program: string,
  flags: readonly string[],
  minutes: number,
): { text: string; found: boolean } {
  const args = ['--import', 'tsx', `test/${program}`, ...flags, '--minutes', `${minutes}`]
  // A defect may turn a turn into an endless loop.
  const timeout = minutes * 60_000 + GRACE_MS
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', timeout })
  if ((status !== 0 && status !== 1) || stdout === '') throw new Error(`${program} ended with ${status}: ${stderr}`)
  return { text: stdout, found: status === 1 }
}

/** A violation of the model checker counts if plain replicas, which merge nothing, show it too. */
function checked({ text, found }: { text: string; found: boolean }): Hunted {
  const [, verdict = 'no violation'] = /^VIOLATION (.*)$/m.exec(text) ?? []
  const [, replayed = 'not confirmed'] = /^replayed on plain replicas: (.*)$/m.exec(text) ?? []
  const [, states = '0'] = /states (\d+)/.exec(text) ?? []
  const [, seconds = '0'] = /, ([\d.]+) s/.exec(text) ?? []
  const [, seed] = /\(walk of seed (\d+)\)/.exec(text) ?? []
  return {
    killed: found && replayed !== 'not confirmed',
    verdict: verdict.replace(/ \(walk.*/, ''),
    effort: seed === undefined ? `${states} states` : `${seed} walks`,
    seconds: Number(seconds),
  }
}

function simulated({ text, found }: { text: string; found: boolean }): Hunted {
  const { verdict, seed, seeds, seconds } = JSON.parse(text) as Record<'verdict' | 'seed' | 'seeds', string> & {
    seconds: number
  }
  return { killed: found, verdict, effort: found ? `${seeds} seeds (${seed})` : `${seeds} seeds`, seconds }
}
