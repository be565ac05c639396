import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freshSeed } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { Clients, describe } from './lines/clients.ts'
import { LineCluster } from './lines/cluster.ts'
import { faultsOf, type LineOperation } from './lines/judge.ts'
import type { Report } from './lines/messages.ts'

const test = suite('live cluster, proposers')

const seed = freshSeed()

interface Case {
  readonly proposers: number
  readonly conflicts: boolean
  readonly commands: number
  readonly pauseMs: number
}

const CASES: readonly Case[] = [
  { proposers: 1, conflicts: false, commands: 2048, pauseMs: 0 },
  { proposers: 3, conflicts: false, commands: 6144, pauseMs: 0 },
  { proposers: 2, conflicts: true, commands: 4094, pauseMs: 0 },
  { proposers: 3, conflicts: true, commands: 6141, pauseMs: 0 },
  { proposers: 3, conflicts: false, commands: 12_288, pauseMs: 4 },
  { proposers: 3, conflicts: true, commands: 6141, pauseMs: 4 },
]

/** One cluster for all tests, each of which adds to the transcripts and to the history. */
let cluster: LineCluster
const history: LineOperation[] = []

test.before(async () => {
  cluster = await LineCluster.open()
})
test.after(() => cluster.close())

for (const { proposers, conflicts, commands, pauseMs } of CASES) {
  const load = `${describe(proposers, conflicts)}${pauseMs > 0 ? ', random pauses' : ''}`
  test(`${load}: ${commands} commands execute in one order everywhere`, async () => {
    const before = countsOf(await cluster.reports())
    const ids = Array.from({ length: proposers }, (_, id) => id)
    const each = { commands: commands / proposers, conflicts, pauseMs, seed }
    const clients = new Clients(cluster, { name: `${load.replaceAll(' ', '')}:`, proposers: ids, ...each })
    await clients.done()
    await cluster.allExecuted()
    history.push(...clients.history)
    assert.is(clients.history.length, commands)
    assert.equal(faultsOf(cluster.transcripts(), history), [], `seed ${seed}`)
    const { fast, slow, cycles } = difference(countsOf(await cluster.reports()), before)
    console.log(`${load}, seed ${seed}: ${fast} fast, ${slow} slow, ${cycles} components larger than one`)
    if (conflicts) assert.ok(slow + cycles > 0, 'commands met each other')
    else assert.ok(slow < (fast + slow) / 100, 'one round trip is enough')
    volume('commands of live proposers', commands)
  })
}

type Counts = Record<'fast' | 'slow' | 'cycles', number>

function countsOf(reports: readonly Report[]): Counts {
  const sum = (of: 'fast' | 'slow') => reports.reduce((total, { counts }) => total + counts[of], 0)
  return { fast: sum('fast'), slow: sum('slow'), cycles: Math.max(...reports.map(({ counts }) => counts.cycles)) }
}

function difference(after: Counts, before: Counts): Counts {
  return { fast: after.fast - before.fast, slow: after.slow - before.slow, cycles: after.cycles - before.cycles }
}

test.run()
