import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Core } from '../../src/protocol/core.ts'
import { Instance } from '../../src/protocol/instance.ts'
import { Command, type Message, Phase } from '../../src/protocol/messages.ts'
import { type InstanceRecord, type JournalRecord, RecordType } from '../../src/protocol/records.ts'
import { DEFAULT_TIMING } from '../../src/protocol/timing.ts'
import { batch } from '../support/batches.ts'
import { Cluster } from '../support/cluster.ts'
import { type EngineMaker, engineMakers } from '../support/engine-makers.ts'
import { members } from '../support/members.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'

const test = suite('replay')

type Journal = readonly (readonly JournalRecord[])[]

/** A random run with recoveries, stopped in the middle. */
function someRun(seed: number, maker: EngineMaker): Cluster {
  const random = new Random(seed)
  const replicas = random.pick([3, 5])
  const cluster = new Cluster({
    replicas,
    makeEngine: maker.make,
    random: random.next,
    timing: { retryMs: 5, recoverMs: 5 },
  })
  for (let step = 0; step < 150; step++) {
    const replica = cluster.replica(random.below(replicas))
    const choice = random.next()
    if (choice < 0.1) replica.propose(batch(`c${step}`, random.pick(['a', 'b'])))
    else if (choice < 0.2) {
      cluster.nowMs += 10
      replica.tick()
    } else if (cluster.messages.length > 0) {
      const sent = random.pick(cluster.messages)
      if (random.chance(0.2)) cluster.drop(sent)
      else cluster.deliver(sent)
    }
  }
  return cluster
}

interface Restarted {
  readonly core: Core
  readonly state: string
  readonly sent: readonly Message[]
}

function restart(id: number, replicas: number, journal: Journal, { make }: EngineMaker): Restarted {
  const engine = make(replicas)
  const core = new Core({
    id,
    members: members(replicas),
    engine,
    timing: DEFAULT_TIMING,
    random: () => 0.5,
    start: 1,
    readBatch: () => {
      throw new Error('nothing executes here')
    },
  })
  journal.forEach((records, i) => {
    records.forEach((record, index) => {
      core.replay(record as InstanceRecord, i + 1, index)
    })
  })
  core.found()
  core.start(journal.length, 1000)
  const { commits, messages, records } = core.take()
  assert.equal(records, [])
  const state = [...instances(core, replicas)].map((x) => describe(x)).join('\n')
  const found = engine.conflicts(0, 2 ** 40, batch('probe', '*').footprint, Array(replicas).fill(0))
  const index = found.map((x) => `${x.row}.${x.slot}`).join(' ')
  return { core, state: `${state}\nindex ${index}\ncommits ${commits.join(' ')}`, sent: messages.map((x) => x.message) }
}

function* instances(core: Core, replicas: number): Generator<Instance> {
  for (let row = 0; row < replicas; row++) {
    for (let slot = 1; slot <= 40; slot++) {
      const instance = core.instance(row, slot)
      if (instance !== undefined) yield instance
    }
  }
}

function describe(x: Instance, onlyOutcome = false): string {
  const outcome = [`${x}`, x.phase, x.ballot, x.voteBallot, x.command, `[${x.deps}]`]
  return [...outcome, ...(onlyOutcome ? [] : [`[${x.initDeps}]`, x.known, x.attempt])].join(' ')
}

/** Checks what the records, read one by one, oblige the replica to. */
function checkKept(core: Core, journal: Journal): void {
  for (const record of journal.flat()) {
    if (!('slot' in record)) continue
    const instance = core.instance(record.row, record.slot)
    assert.ok(instance, 'an instance of the journal is known')
    if (instance === undefined) continue
    assert.is(instance.attempt, null)
    if ('ballot' in record) assert.ok(instance.ballot >= record.ballot, `${instance} keeps its promise`)
    if (record.type === RecordType.acc || record.type === RecordType.com) {
      assert.ok(instance.voteBallot >= record.ballot, `${instance} keeps its vote`)
      assert.ok(instance.phase >= Phase.accepted, `${instance} keeps its phase`)
    }
    if (record.type === RecordType.com) {
      assert.equal([instance.phase, instance.command, instance.deps], [Phase.committed, record.command, record.deps])
    }
    if (record.type === RecordType.pre || record.type === RecordType.val) {
      assert.equal(instance.initDeps, record.initDeps)
      assert.is.not(instance.command, Command.unknown)
    }
    if (record.row === core.id) assert.ok(core.slot >= record.slot, 'the row goes on above every own slot found')
  }
}

for (const maker of engineMakers) {
  test(`a crash after any prefix of the journal loses nothing of it, and continues nothing (${maker.kind})`, () => {
    const fresh = freshSeed()
    for (const seed of [1, 2, 3, 4, 5, 6, fresh, fresh + 1]) {
      const { replicas } = someRun(seed, maker)
      for (const { id, journal } of replicas) {
        for (let length = 0; length <= journal.length; length += 1 + (seed % 3)) {
          const prefix = journal.slice(0, length)
          const { core, state, sent } = restart(id, replicas.length, prefix, maker)
          assert.is(restart(id, replicas.length, prefix, maker).state, state, `seed ${seed}, replica ${id}, ${length}`)
          checkKept(core, prefix)
          assert.ok(
            sent.every((message) => !('row' in message)),
            'nothing about an instance is sent by itself',
          )
          const slot = core.slot + 1
          assert.is(core.propose(batch('new', 'a')).slot, slot)
          volume('journal prefixes replayed', 1)
        }
      }
    }
  })

  test(`after a restart every instance is as it was, except attempts in progress (scenario 14, ${maker.kind})`, () => {
    for (const seed of [11, 12, 13, 14]) {
      const { replicas } = someRun(seed, maker)
      for (const { id, core: before, journal } of replicas) {
        const { core: after } = restart(id, replicas.length, journal, maker)
        for (const instance of instances(before, replicas.length)) {
          const found = after.instance(instance.row, instance.slot) ?? new Instance(instance.row, instance.slot)
          instance.attempt = null
          const { kept } = instance
          assert.is(describe(found, kept), describe(instance, kept), `seed ${seed}, replica ${id}`)
        }
      }
    }
  })
}

test('records are replayed before the start, and nothing is answered or proposed before it', () => {
  const [maker] = engineMakers
  if (maker === undefined) throw new Error('no engine')
  const options = { id: 0, members: members(3), timing: DEFAULT_TIMING, random: () => 0.5, start: 1, readBatch: null }
  const core = new Core({ ...options, engine: maker.make(3) })
  assert.throws(() => core.propose(batch('c', 'a')), /before the start/)
  assert.throws(() => core.receive(1, { type: 12, epoch: 0, row: 0, slot: 1 }), /before the journal is replayed/)
  core.start(0, 1000)
  const record = { type: RecordType.bal, epoch: 0, row: 0, slot: 1, ballot: 1 } as const
  assert.throws(() => core.replay(record, 1, 0), /before the start/)
})

test.run()
