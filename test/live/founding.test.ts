import { setTimeout as pause } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByHand, type HandStarted } from './by-hand.ts'

const test = suite('first starts')

const WRITES = 50

/** A wrong replica would have answered by then. */
const WRONG_MS = 1500

async function nothingIsAnswered(...all: HandStarted[]): Promise<void> {
  for (const one of all) {
    for (let i = 0; i < WRITES; i++) assert.is(await one.put(`k${i}`, 'v'), 503)
    assert.is(await one.get('k0'), 503)
  }
}

test('two of three that lose a disk before the third has met all answer nothing, and say why', () =>
  ByHand.use(3, async (cluster) => {
    const first = [await cluster.start(0), await cluster.start(1)]
    for (const one of first) await one.notReady(/^founding: waits for replica \d \(127\.0\.0\.1:\d+\), replica 2 /)
    await nothingIsAnswered(...first)
    await Promise.all(first.map(({ cli }) => cli.kill()))
    cluster.empty('0')

    const [empty, third] = [await cluster.start(0), await cluster.start(2)]
    await pause(WRONG_MS)
    await empty.notReady(/founding: waits for .*replica 1 /)
    await third.notReady(/founding: waits for .*replica 1 /)
    await nothingIsAnswered(empty, third)
    assert.is((await third.status()).clusterId, null)

    const second = await cluster.start(1)
    await empty.notReady(/founding: .*; refused by replica 1 \(.*\): it has another data directory under this id/)
    await pause(WRONG_MS)
    await nothingIsAnswered(empty, second, third)
    assert.ok(third.cli.stderr.includes('founding: waits for'), 'the log says it, too')

    // Nothing was ever answered: all begin again.
    await Promise.all([empty, second, third].map(({ cli }) => cli.kill()))
    for (const directory of ['0', '1', '2']) cluster.empty(directory)
    const all = await cluster.startAll()
    for (let i = 0; i < WRITES; i++) assert.is(await (all[i % 3] as HandStarted).put(`k${i}`, 'v'), 204)
    const ids = new Set(await Promise.all(all.map(async (one) => (await one.status()).clusterId)))
    assert.is(ids.size, 1)
    assert.match([...ids][0] ?? '', /^[0-9a-f]{32}$/)
  }))

test('the members come one after the other, with restarts in between; then any majority starts', () =>
  ByHand.use(3, async (cluster) => {
    const first = await cluster.start(2)
    await first.notReady(/founding: waits for replica 0 .*, replica 1 /)
    await first.cli.kill()
    const [second, again] = [await cluster.start(0), await cluster.start(2)]
    await again.notReady(/founding/)
    await second.cli.kill('SIGTERM')
    const all = [await cluster.start(0), await cluster.start(1), again]
    await Promise.all(all.map((one) => one.ready()))
    assert.is(await again.put('k', 'v'), 204)
    await Promise.all(all.map(({ cli }) => cli.kill()))
    const majority = [await cluster.start(1), await cluster.start(2)]
    await Promise.all(majority.map((one) => one.ready()))
    assert.is(await (majority[0] as HandStarted).get('k'), 200)
  }))

test('without disks: a member that comes back is refused and ends with 5, the others go on', () =>
  ByHand.use(3, async (cluster) => {
    const flags = ['--durability', 'memory']
    const all = await Promise.all([0, 1, 2].map((id) => cluster.start(id, { flags })))
    await Promise.all(all.map((one) => one.ready()))
    await (all[1] as HandStarted).cli.kill()
    const back = await cluster.start(1, { flags })
    assert.is(await back.ends(), 5)
    assert.is(await (all[0] as HandStarted).put('k', 'v'), 204)
  }))

test('a replica alone founds its cluster at once', () =>
  ByHand.use(1, async (cluster) => {
    const [alone] = (await cluster.startAll()) as [HandStarted]
    assert.is(await alone.put('k', 'v'), 204)
    const { clusterId } = await alone.status()
    await alone.cli.kill()
    const [again] = (await cluster.startAll()) as [HandStarted]
    assert.is((await again.status()).clusterId, clusterId)
    assert.is(await again.get('k'), 200)
  }))

test.run()
