import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** A defect of the core (protocol.md §14), as replacements in its source, and bounds within which a search must find it. */
export interface Mutant {
  readonly name: string
  readonly patches: readonly { readonly file: string; readonly from: string; readonly to: string }[]
  readonly bounds: string
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'one ballot field: a promise carries the vote along',
    patches: [
      {
        file: 'recover.ts',
        from: '  instance.ballot = ballot\n',
        to: '  instance.ballot = ballot\n  if (instance.phase === Phase.accepted) instance.voteBallot = ballot\n',
      },
    ],
    bounds: '--instances 1 --proposers 0 --recoveries 3',
  },
  {
    name: 'a fast quorum one smaller',
    patches: [
      { file: 'quorums.ts', from: 'const fast = n - e\n', to: 'const fast = n - e - 1\n' },
      { file: 'quorums.ts', from: "  check(fast + slow > n, 'a fast quorum meets every slow quorum')\n", to: '' },
      { file: 'quorums.ts', from: "  check(fast >= slow, 'a fast commit is as widely known as a slow one')\n", to: '' },
    ],
    bounds: '--instances 2 --recoveries 0',
  },
  {
    name: 'dissenting replies count for the fast path',
    patches: [{ file: 'preaccept.ts', from: 'countVotes(attempt.equal)', to: 'countVotes(attempt.answered)' }],
    bounds: '--instances 2 --recoveries 0',
  },
  {
    name: 'case d asks for one more than a fast commit leaves',
    patches: [
      {
        file: 'recover.ts',
        from: 'agreeing.length < size - context.quorums.fastCrashes',
        to: 'agreeing.length <= size - context.quorums.fastCrashes',
      },
    ],
    bounds: '--instances 1 --proposers 0 --recoveries 1',
  },
  {
    name: 'R takes also those whose dependencies are not the initial ones',
    patches: [
      {
        file: 'recover.ts',
        from: '  const agreeing = answers.filter((a) => a.phase === Phase.preAccepted && equal(a.deps as Vector, a.initDeps as Vector))',
        to: '  const agreeing = answers.filter((a) => a.phase === Phase.preAccepted)',
      },
    ],
    bounds: '--instances 2 --recoveries 1',
  },
  {
    name: 'case b takes any accepted value, not that of the highest vote ballot',
    patches: [{ file: 'recover.ts', from: 'a.voteBallot === highest && a.phase', to: 'highest >= 0 && a.phase' }],
    bounds: '--instances 1 --proposers 0 --recoveries 3',
  },
  {
    name: 'Validate without its phase guard',
    patches: [
      { file: 'validate.ts', from: ' || instance.phase === Phase.accepted) return', to: ') return' },
      {
        file: 'validate.ts',
        from: 'instance.phase === Phase.none || instance.phase === Phase.preAccepted,',
        to: 'instance.phase !== Phase.committed,',
      },
    ],
    bounds: '--instances 2 --recoveries 1',
  },
  {
    name: 'Validate left out',
    patches: [
      {
        file: 'recover.ts',
        from: '  startValidate(context, instance, attempt, agreeing.length, first.batch as Batch, first.deps as Vector)\n',
        to:
          '  learnBatch(context, instance, first.batch as Batch)\n' +
          '  startAccept(context, instance, attempt.ballot, Command.batch, first.deps as Vector, attempt.holders, true)\n',
      },
    ],
    bounds: '--replicas 5 --instances 2 --recoveries 2 --walks 200000 --steps 60 --minutes 3',
  },
  {
    name: 'no wait: what is open makes a no-op',
    patches: [
      { file: 'validate.ts', from: 'if (impossible) return', to: 'if (impossible || conflicts.length > 0) return' },
    ],
    bounds: '--replicas 5 --instances 2 --recoveries 2 --walks 200000 --steps 60 --minutes 3',
  },
  {
    name: 'Accept in a ballot below the promise',
    patches: [
      { file: 'accept.ts', from: '  if (ballot < instance.ballot) {', to: '  if (ballot < instance.voteBallot) {' },
    ],
    bounds: '--instances 1 --proposers 0 --recoveries 2',
  },
  {
    name: 'PRE not synced',
    patches: [
      {
        file: 'preaccept.ts',
        from: '  context.record(instance, {\n    type: RecordType.pre,',
        to: '  context.recordLazily(instance, {\n    type: RecordType.pre,',
      },
    ],
    bounds: '--instances 1 --proposers 0 --recoveries 1 --restarts 1',
  },
  {
    name: 'BAL not synced',
    patches: [
      {
        file: 'recover.ts',
        from: '  context.record(instance, {\n    type: RecordType.bal,',
        to: '  context.recordLazily(instance, {\n    type: RecordType.bal,',
      },
    ],
    bounds: '--instances 1 --proposers 0 --recoveries 1 --restarts 1',
  },
  {
    name: 'ACC not synced',
    patches: [
      {
        file: 'accept.ts',
        from: '  context.record(instance, {\n    type: RecordType.acc,',
        to: '  context.recordLazily(instance, {\n    type: RecordType.acc,',
      },
    ],
    bounds: '--instances 1 --proposers 0 --recoveries 2 --restarts 1',
  },
  {
    name: 'the COM of a fast commit not synced',
    patches: [{ file: 'preaccept.ts', from: 'durably: true,', to: 'durably: false,' }],
    bounds: '--instances 1 --proposers 0 --recoveries 1 --restarts 1',
  },
]

export interface Killed {
  /** The first lines that the checker printed. */
  readonly verdict: string
  readonly states: number
  /** Steps of the shortest run that violates a property. */
  readonly steps: number
  readonly seconds: number
  readonly confirmed: boolean
  readonly found: boolean
}

const ROOT = resolve(import.meta.dirname, '../..')

/** Runs the checker on a copy of the core with the defect in it. */
export function check(mutant: Mutant, extra: readonly string[] = []): Killed {
  const copy = mkdtempSync(join(tmpdir(), 'epaxos-mutant-'))
  try {
    for (const part of ['package.json', 'tsconfig.json', 'src', 'test/model-checker', 'test/support']) {
      cpSync(join(ROOT, part), join(copy, part), { recursive: true })
    }
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
    for (const { file, from, to } of mutant.patches) patch(join(copy, 'src/protocol', file), from, to)
    const args = ['--import', 'tsx', 'test/model-checker/main.ts', ...mutant.bounds.split(' '), ...extra]
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8' })
    if (status !== 0 && status !== 1) throw new Error(`the checker ended with ${status}: ${stderr}`)
    return verdictOf(stdout, status === 1)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

function patch(path: string, from: string, to: string): void {
  const source = readFileSync(path, 'utf8')
  if (source.split(from).length !== 2) throw new Error(`${path} has not exactly one place that reads ${from}`)
  writeFileSync(path, source.replace(from, to))
}

function verdictOf(output: string, found: boolean): Killed {
  const number = (pattern: RegExp): number => Number(pattern.exec(output)?.[1] ?? 0)
  const [, verdict = 'no violation'] = /^VIOLATION (.*)$/m.exec(output) ?? []
  const [, replayed = 'not confirmed'] = /^replayed on plain replicas: (.*)$/m.exec(output) ?? []
  return {
    found,
    verdict,
    states: number(/states (\d+)/),
    steps: number(/depth (\d+)/) + 1,
    seconds: number(/, ([\d.]+) s/),
    confirmed: found && replayed !== 'not confirmed',
  }
}
