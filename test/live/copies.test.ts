import { setTimeout as pause } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByHand, type HandStarted } from './by-hand.ts'
import { until } from './cluster.ts'

const test = suite('copies of a disk, and strangers')

const WRITES = 50

/** Some of the writes that begin this long before a stop are in flight when it comes. */
const CAUGHT_MS = 3

/** A wrong replica would have answered, or ended others, by then. */
const WRONG_MS = 1500

async function write(at: HandStarted, name: string): Promise<void> {
  for (let i = 0; i < WRITES; i++) assert.is(await at.put(`${name}${i}`, 'v'), 204)
}

async function allThere(at: HandStarted, name: string): Promise<void> {
  for (let i = 0; i < WRITES; i++) assert.is(await at.get(`${name}${i}`), 200, `${name}${i}`)
}

async function sameState(all: readonly HandStarted[]): Promise<void> {
  await until('equal states', 10_000, async () => {
    const hashes = await Promise.all(all.map(async (one) => (await one.status()).stateHash))
    return new Set(hashes).size === 1
  })
}

test('of a member and a copy of it that was started beside it, one is refused', () =>
  ByHand.use(3, async (cluster) => {
    const [zero, one, two] = (await cluster.startAll()) as [HandStarted, HandStarted, HandStarted]
    await write(zero, 'before')
    const caught = Array.from({ length: WRITES }, (_, i) => zero.put(`caught${i}`, 'v'))
    await pause(CAUGHT_MS)
    zero.cli.process.kill('SIGSTOP')
    cluster.copy(cluster.path('0'), 'copy')
    const copy = await cluster.start(0, { directory: 'copy', elsewhere: true })
    await until('the copy is linked', 20_000, async () => (copy.cli.stderr.match(/"linked"/g) ?? []).length >= 2)
    await write(one, 'meanwhile')
    zero.cli.process.kill('SIGCONT')
    const answers = await Promise.all(Array.from({ length: WRITES }, (_, i) => zero.put(`after${i}`, 'v')))
    const inFlight = await Promise.all(caught)
    assert.is(await zero.ends(), 5, 'the one that was stopped ends')
    assert.match(zero.cli.stderr, /they have seen a later start of this data directory/)
    await copy.cli.kill('SIGTERM')
    const again = await cluster.start(0, { directory: 'copy' })
    await again.ready()
    for (const at of [again, one, two]) {
      await allThere(at, 'before')
      await allThere(at, 'meanwhile')
      for (const [i, status] of answers.entries()) if (status === 204) assert.is(await at.get(`after${i}`), 200)
      for (const [i, status] of inFlight.entries()) if (status === 204) assert.is(await at.get(`caught${i}`), 200)
    }
    await sameState([again, one, two])
  }))

test('an older copy of a disk that is put back is refused: it answers nothing, ends when more than f refuse it', () =>
  ByHand.use(3, async (cluster) => {
    const [zero, one, two] = (await cluster.startAll()) as [HandStarted, HandStarted, HandStarted]
    await one.cli.kill('SIGTERM')
    cluster.copy(cluster.path('1'), 'backup')
    const back = await cluster.start(1)
    await Promise.all([zero, back, two].map((at) => at.ready()))
    // So that the other one that will be there has heard of the later start.
    await until('2 is linked', 10_000, async () => (await two.status()).replicas[1]?.up === true)
    await two.cli.kill('SIGTERM')
    await write(zero, 'k')
    await Promise.all([zero.cli.kill(), back.cli.kill()])
    cluster.empty('1')
    cluster.copy(cluster.path('backup'), '1')

    const second = await cluster.start(2)
    let older = await cluster.start(1)
    // Whoever operates it starts it again.
    for (let i = 0; i < 3; i++) {
      await older.notReady(/refused by replica 2 /)
      await older.cli.kill('SIGTERM')
      older = await cluster.start(1)
    }
    await older.notReady(/refused by replica 2 \(.*\): it has seen a later start of this data directory/)
    await pause(WRONG_MS)
    for (const at of [older, second]) for (let i = 0; i < WRITES; i++) assert.is(await at.get(`k${i}`), 503)
    assert.not(older.cli.ended || second.cli.ended, "one peer's word ends nobody")

    const first = await cluster.start(0)
    assert.is(await older.ends(), 5)
    for (const at of [first, second]) {
      await at.ready()
      await allThere(at, 'k')
    }
    await sameState([first, second])
  }))

test('a member of another cluster at the address of one that is down is refused, and ends nobody', () =>
  ByHand.use(3, async (a) => {
    await ByHand.use(3, async (b) => {
      const strangers = await b.startAll()
      await Promise.all(strangers.map(({ cli }) => cli.kill('SIGTERM')))
      a.copy(b.path('1'), 'stranger')
    })
    const [zero, one, two] = (await a.startAll()) as [HandStarted, HandStarted, HandStarted]
    await one.cli.kill('SIGTERM')
    const stranger = await a.start(1, { directory: 'stranger' })
    await stranger.notReady(/refused by replica 0 .*: it belongs to another cluster, by its cluster id/)
    await pause(WRONG_MS)
    assert.not(
      [zero, two, stranger].some(({ cli }) => cli.ended),
      'nobody ends',
    )
    assert.is(await zero.put('k', 'v'), 204)
    assert.is(await stranger.get('k'), 503)
    await stranger.cli.kill('SIGTERM')
    const back = await a.start(1)
    await back.ready()
    assert.is(await back.get('k'), 200)
  }))

test.run()
