import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Status } from '../../src/node/status.ts'
import { ask, codeOf, raw } from '../http/ask.ts'
import { Replicas } from '../support/replicas.ts'
import { until } from '../support/until.ts'
import { type Family, lint, parse } from './lint.ts'

const test = suite('GET /metrics')

let replicas: Replicas

test.before(async () => {
  replicas = await Replicas.open({ count: 3, durability: 'fsync' })
})
test.after(() => replicas.close())

/** The names are a promise: dashboards and alerts use them. */
const PROMISED = `
counter epaxos_answers_total code outcome
counter epaxos_checkpoint_failures_total
counter epaxos_checkpoint_given_bytes_total
counter epaxos_checkpoint_not_yet_total
counter epaxos_checkpoints_installed_total
counter epaxos_checkpoints_total
counter epaxos_clients_dropped_total
counter epaxos_commits_total path
counter epaxos_deferred_total
counter epaxos_dropped_total reason
counter epaxos_executed_commands_total
counter epaxos_executed_cycles_total
counter epaxos_executed_instances_total
counter epaxos_false_suspicions_total
counter epaxos_forgotten_instances_total
counter epaxos_journal_values_total
counter epaxos_noops_total
counter epaxos_quorum_read_keys_total
counter epaxos_quorum_read_waits_total for
counter epaxos_quorum_reads_total outcome
counter epaxos_recoveries_total
counter epaxos_session_sweeps_total
counter epaxos_session_ticks_total
counter epaxos_void_batches_total
gauge epaxos_admission_flight_seconds
gauge epaxos_admission_limit_work
gauge epaxos_admission_running_work
gauge epaxos_checkpoint_bytes
gauge epaxos_client_connections
gauge epaxos_client_links
gauge epaxos_committed_slot row
gauge epaxos_disk_free_bytes
gauge epaxos_disk_full
gauge epaxos_disk_nearly_full
gauge epaxos_epoch
gauge epaxos_executed_slot row
gauge epaxos_fetch_bytes
gauge epaxos_fetch_remaining_seconds
gauge epaxos_fetched_bytes
gauge epaxos_held_bytes
gauge epaxos_held_instances
gauge epaxos_info cluster durability engine id server
gauge epaxos_journal_bytes
gauge epaxos_oldest_uncommitted_seconds
gauge epaxos_peer_up peer
gauge epaxos_ready
gauge epaxos_replay_seconds
gauge epaxos_running_instances
gauge epaxos_session_requests
gauge epaxos_session_result_bytes
gauge epaxos_session_tombstones
gauge epaxos_sessions
gauge epaxos_waiting_bytes
gauge epaxos_waiting_groups
histogram epaxos_answer_seconds le
`

/** Of the process, by prom-client. */
const OF_PROCESS = [
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
  'process_open_fds',
  'nodejs_eventloop_lag_p99_seconds',
  'nodejs_heap_size_used_bytes',
  'nodejs_gc_duration_seconds',
]

async function scrape(at = 0): Promise<Family[]> {
  const { status, headers, text } = await ask(replicas.url(at), 'GET', '/metrics')
  assert.is(status, 200)
  assert.is(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  return parse(text)
}

function valueIn(families: readonly Family[], name: string, labels: Record<string, string> = {}): number | undefined {
  const samples = families.flatMap((family) => family.samples)
  const wanted = JSON.stringify(Object.entries(labels).sort())
  return samples.find((one) => one.name === name && JSON.stringify(Object.entries(one.labels).sort()) === wanted)?.value
}

test('the format is right, and the names are the promised ones', async () => {
  await ask(replicas.url(0), 'PUT', '/kv/a', 'x')
  const families = await scrape()
  assert.equal(lint(families), [])
  const own = families.filter(({ name }) => name.startsWith('epaxos_'))
  const described = own.map(({ name, kind, samples }) => {
    const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)))
    return [kind, name, ...[...labels].sort()].join(' ')
  })
  const promised = PROMISED.trim().split('\n')
  assert.equal(described.sort(), promised)
  for (const name of OF_PROCESS)
    assert.ok(
      families.some((family) => family.name === name),
      name,
    )
  for (const { help } of own) assert.match(help, /^[A-Z].*\.$/)
})

test('its numbers are those of GET /status', async () => {
  for (let i = 0; i < 20; i++)
    await ask(replicas.url(0), 'PUT', `/kv/${i}`, 'x', { 'Epaxos-Session': 's', 'Epaxos-Request': `${i + 1}` })
  await until(() => {
    const { committed, executed } = replicas.replica(0).status()
    return committed.join() === executed.join()
  }, 'everything has executed')
  const status = JSON.parse((await ask(replicas.url(0), 'GET', '/status')).text) as Status
  const families = await scrape()
  for (const path of ['fast', 'slow', 'recovered'] as const) {
    assert.is(valueIn(families, 'epaxos_commits_total', { path }), status.counts[path], path)
  }
  assert.is(valueIn(families, 'epaxos_executed_commands_total'), status.counts.commands)
  assert.is(valueIn(families, 'epaxos_sessions'), status.sessions.open)
  assert.is(valueIn(families, 'epaxos_session_requests'), 20)
  assert.is(valueIn(families, 'epaxos_replay_seconds'), status.replayMs / 1000)
  for (const [row, slot] of status.committed.entries()) {
    assert.is(valueIn(families, 'epaxos_committed_slot', { row: String(row) }), slot)
  }
  assert.is(valueIn(families, 'epaxos_ready'), 1)
  assert.ok((valueIn(families, 'epaxos_disk_free_bytes') as number) > 1e6)
  assert.ok((valueIn(families, 'epaxos_journal_bytes') as number) > 1000)
  assert.is(valueIn(families, 'epaxos_peer_up', { peer: '2' }), 1)
  assert.is(valueIn(families, 'epaxos_peer_up', { peer: '0' }), undefined)
})

test('the status keeps its fields', async () => {
  const status = JSON.parse((await ask(replicas.url(0), 'GET', '/status')).text) as Status
  const { counts, sessions, catchUp, ...others } = status
  assert.equal(Object.keys(catchUp).sort(), ['bytes', 'installed', 'receivedBytes', 'remainingMs'])
  assert.equal(Object.keys(counts).sort(), 'commands,cycles,deferred,dropped,fast,noop,recovered,slow'.split(','))
  assert.equal(Object.keys(sessions).sort(), ['bytes', 'numbers', 'open'])
  const names =
    'cluster,clusterId,committed,durability,engine,epoch,executed,id,journalBytes,oldestUncommittedMs,ready,reason,' +
    'replayMs,replicas,server,stateHash'
  assert.equal(Object.keys(others).sort(), names.split(','))
  for (const count of [...Object.values(counts), ...Object.values(sessions)]) assert.type(count, 'number')
})

test('answers are counted by their outcome, and those that are done by their duration', async () => {
  const before = await scrape()
  for (let i = 0; i < 5; i++) await ask(replicas.url(0), 'GET', '/kv/a')
  const after = await scrape()
  const grown = (name: string, labels?: Record<string, string>) =>
    (valueIn(after, name, labels) ?? Number.NaN) - (valueIn(before, name, labels) ?? Number.NaN)
  assert.is(grown('epaxos_answers_total', { outcome: 'done' }), 5)
  assert.is(grown('epaxos_answer_seconds_count'), 5)
  assert.ok(grown('epaxos_answer_seconds_sum') > 0)
  assert.is(valueIn(after, 'epaxos_answers_total', { outcome: 'refused', code: 'busy' }), 0)
})

test('what is dropped is counted by its reason', async () => {
  const dropped = () => replicas.replica(0).numbers().dropped
  const families = await scrape()
  const reasons = families
    .find(({ name }) => name === 'epaxos_dropped_total')
    ?.samples.map(({ labels }) => labels.reason)
  const all = 'ballot connection damaged epoch field handshake heartbeat link malformed refused slot'
  assert.equal(reasons?.sort(), all.split(' '))
  const { connection } = dropped()
  await raw(replicas.peerPort(0), 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await until(() => dropped().connection === (connection as number) + 1, 'the connection is counted')
  assert.equal({ ...dropped(), connection: 0 }, Object.fromEntries(all.split(' ').map((reason) => [reason, 0])))
})

test('with a secret, /metrics is for those who know it; it is there before the replica is ready', async () => {
  const guarded = await Replicas.open({ count: 1, secret: 'open sesame' })
  try {
    const url = guarded.url(0)
    const refused = await ask(url, 'GET', '/metrics')
    assert.equal([refused.status, codeOf(refused)], [401, 'unauthorized'])
    const headers = { Authorization: 'Bearer open sesame' }
    assert.is((await ask(url, 'GET', '/metrics', '', headers)).status, 200)
    assert.is((await ask(url, 'HEAD', '/metrics', '', headers)).text, '')
    assert.is((await ask(url, 'POST', '/metrics', '', headers)).status, 405)
  } finally {
    await guarded.close()
  }
})

test.run()
