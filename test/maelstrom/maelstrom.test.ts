import { setTimeout as pause } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Body } from '../../src/cli/maelstrom/messages.ts'
import type { Step } from '../../src/machine/list.ts'
import { check, type Verdict } from '../linearizability/checker.ts'
import type { Operation } from '../linearizability/history.ts'
import { register } from '../linearizability/models.ts'
import { settled, type TransactionOutput, transactionsOf } from '../linearizability/transactions.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { MaelstromNetwork } from './network.ts'
import { type LoadOptions, registerLoad, transactionLoad } from './workloads.ts'

const test = suite('maelstrom')

const seed = freshSeed()
const CLIENTS = 6
const REQUESTS = 18
const STORM = { delayMs: 20, loss: 0.02 }
/** Short, so that a node that is cut off does not hold its clients for long. */
const FLAGS = ['--request-timeout-ms', '600']
const CALM = { delayMs: 0, loss: 0 }

/** Runs `load` while nodes are cut off one after another, and judges what the clients saw. */
async function underPartitions<I, O>(
  flags: readonly string[],
  load: (options: LoadOptions) => Promise<Operation<I, O>[]>,
  judge: (history: Operation<I, O>[]) => Verdict,
): Promise<void> {
  const random = new Random(seed)
  await MaelstromNetwork.use({ nodes: 3, random, weather: STORM, flags: [...FLAGS, ...flags] }, async (network) => {
    let ended = false
    const loading = load({ network, random, clients: CLIENTS, requests: REQUESTS }).finally(() => {
      ended = true
    })
    while (!ended) {
      network.partition([random.pick(network.nodes)])
      await Promise.race([pause(700), loading])
      network.heal()
      await Promise.race([pause(500), loading])
    }
    const history = await loading
    const known = history.filter(({ output }) => output !== null).length
    const verdict = judge(history)
    assert.ok(verdict.linearizable, `seed ${seed}:\n${verdict.linearizable ? '' : verdict.window}`)
    assert.ok(known > CLIENTS * REQUESTS * 0.3, `seed ${seed}: only ${known} requests were answered`)
    assert.ok(network.counts.lost > 0 && network.counts.delivered > 0)
    assert.equal(network.complaints, [], `seed ${seed}`)
    volume('Maelstrom requests', known)
  })
}

function judgeTransactions(history: Operation<readonly Step[], TransactionOutput>[]): Verdict {
  const known = settled(history)
  return check(transactionsOf(known), known)
}

test('lin-kv is linearizable while messages are late and lost and nodes are cut off', () =>
  underPartitions(
    [],
    (options) => registerLoad(options, 1),
    (history) => check(register, history),
  ))

test('txn-rw-register is strictly serializable under the same, with either engine', () =>
  underPartitions(['--engine', 'reference'], (options) => transactionLoad(options, 'w', [1, 2, 3]), judgeTransactions))

test('txn-list-append is strictly serializable under the same: every list has one order', () =>
  underPartitions([], (options) => transactionLoad(options, 'append', [1, 2, 3]), judgeTransactions))

test('each request of the workloads has its answer, and each mistake its code', () =>
  MaelstromNetwork.use({ nodes: 3, random: new Random(seed), weather: CALM, flags: FLAGS }, async (network) => {
    const ask = (node: number, body: Body) => network.rpc('c1', `n${node}`, body)
    const code = async (body: Body) => (await ask(0, body)).code
    assert.is(await code({ type: 'read', key: 'k' }), 20)
    assert.is(await code({ type: 'cas', key: 'k', from: 1, to: 2 }), 20)
    assert.is((await ask(0, { type: 'write', key: 'k', value: [1, { a: null }] })).type, 'write_ok')
    assert.equal((await ask(1, { type: 'read', key: 'k' })).value, [1, { a: null }])
    assert.is(await code({ type: 'cas', key: 'k', from: 7, to: 2 }), 22)
    assert.is((await ask(2, { type: 'cas', key: 'k', from: [1, { a: null }], to: 2 })).type, 'cas_ok')
    assert.is((await ask(1, { type: 'read', key: 'k' })).value, 2)
    const txn = (...steps: unknown[]) => ({ type: 'txn', txn: steps }) as unknown as Body
    const done = await ask(1, txn(['r', 1, null], ['append', 1, 6], ['append', 2, 9], ['r', 1, null]))
    assert.equal(done.txn, [
      ['r', 1, null],
      ['append', 1, 6],
      ['append', 2, 9],
      ['r', 1, [6]],
    ])
    assert.equal((await ask(2, txn(['w', 3, 'x'], ['r', 3, null]))).txn, [
      ['w', 3, 'x'],
      ['r', 3, 'x'],
    ])
    assert.is(await code(txn(['w', 1, 'lost'], ['append', 3, 1])), 14)
    assert.equal((await ask(0, txn(['r', 1, null]))).txn, [['r', 1, [6]]])
    for (const steps of [['r'], [['x', 1, 2]], 'none', undefined]) {
      assert.is(await code({ type: 'txn', txn: steps } as unknown as Body), 12)
    }
    assert.is(await code({ type: 'write', key: 'k' }), 12)
    assert.is(await code({ type: 'write', key: 'k'.repeat(2000), value: 1 }), 12)
    assert.is(await code(txn(['w', 1, 'v'.repeat(9 << 20)])), 12)
    assert.is(await code({ type: 'cas', key: 'new', from: 1, to: 2, create_if_not_exists: true }), 10)
    assert.is(await code({ type: 'broadcast', message: 1 }), 10)
    assert.is(await code({ type: 'init', node_id: 'n0', node_ids: ['n0'] }), 12)
  }))

test('a node that is alone says so at once, and lines that are no messages do nothing', () =>
  MaelstromNetwork.use({ nodes: 3, random: new Random(seed), weather: CALM, flags: FLAGS }, async (network) => {
    assert.is((await network.rpc('c1', 'n0', { type: 'write', key: 1, value: 1 })).type, 'write_ok')
    const frame = (src: string) => ({
      src,
      dest: 'n0',
      body: { type: 'epaxos', incarnation: 'another', frame: 'AAAA' },
    })
    // A stranger, and a node that has lost its memory.
    const frames = ['n7', 'n2'].map((src) => JSON.stringify(frame(src)))
    const lines = ['', 'no JSON', '{}', '[]', 'null', '{"src":1}', ...frames]
    for (const line of lines) network.write('n0', line)
    assert.is((await network.rpc('c1', 'n0', { type: 'write', key: 1, value: 1 })).type, 'write_ok')
    assert.is(network.complaints.length, lines.length, network.complaints.join('\n'))
    network.partition(['n0'])
    const codes: unknown[] = []
    while (codes.at(-1) !== 11 && codes.length < 20)
      codes.push((await network.rpc('c1', 'n0', { type: 'read', key: 1 })).code)
    assert.is(codes.at(-1), 11)
    assert.ok(codes.every((code) => code === 0 || code === 11))
    assert.is((await network.rpc('c1', 'n1', { type: 'read', key: 1 })).value, 1)
    network.heal()
    await network.ready('n0')
    assert.is((await network.rpc('c1', 'n0', { type: 'write', key: 1, value: 2 })).type, 'write_ok')
    assert.is((await network.rpc('c1', 'n2', { type: 'read', key: 1 })).value, 2)
  }))

test.run()
