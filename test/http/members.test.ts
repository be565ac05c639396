import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CommandError, EpaxosError } from '../../src/errors.ts'
import { type ClientServer, serveClients } from '../../src/http/index.ts'
import type { Members } from '../../src/node/requests.ts'
import { FakeRequests, fakeMember } from '../support/fake-requests.ts'
import { Replicas } from '../support/replicas.ts'
import { serverSuite } from '../support/servers.ts'
import { until } from '../support/until.ts'
import { type Answered, ask, codeOf } from './ask.ts'

const test = suite('members over HTTP')

let fake: FakeRequests
let server: ClientServer
let url: string

test.before.each(async () => {
  fake = new FakeRequests(1)
  server = await serveClients(fake, { host: '127.0.0.1', port: 0 })
  url = `http://127.0.0.1:${server.port}`
})
test.after.each(() => server.close())

const change = (body: unknown): Promise<Answered> =>
  ask(url, 'POST', '/members', typeof body === 'string' ? body : JSON.stringify(body))

const messageOf = ({ text }: Answered): string => (JSON.parse(text) as { error: { message: string } }).error.message

test('GET says who they are, also at a replica that is not ready; HEAD has no body', async () => {
  fake.enter(7, [fakeMember(1, 'http://a'), { ...fakeMember(4), up: false }])
  fake.notReady = 'catching up'
  fake.mayReturn = [2]
  const answered = await ask(url, 'GET', '/members')
  assert.is(answered.status, 200)
  assert.equal(JSON.parse(answered.text), {
    epoch: 7,
    nextId: 3,
    members: [
      { id: 1, address: '127.0.0.1:7101', client: 'http://a', up: true },
      { id: 4, address: '127.0.0.1:7104', client: '', up: false },
    ],
    mayReturn: [2],
    leaving: false,
  })
  const head = await ask(url, 'HEAD', '/members')
  assert.equal([head.status, head.text], [200, ''])
})

test('a joiner says that it is nobody yet: no id in status and metrics, and no client is admitted', async () => {
  fake.id = null
  fake.clusterId = null
  fake.present = []
  fake.notReady = 'it waits for a member to call'
  assert.equal((JSON.parse((await ask(url, 'GET', '/members')).text) as Members).members, [])
  assert.is(JSON.parse((await ask(url, 'GET', '/status')).text).id, null)
  assert.match((await ask(url, 'GET', '/metrics')).text, /epaxos_info\{id="",cluster="local"/)
  fake.id = 5
  assert.match((await ask(url, 'GET', '/metrics')).text, /epaxos_info\{id="5",cluster="local"/)
})

test('each change is passed on in full, and its answer is the new members', async () => {
  const bodies = [
    { add: '127.0.0.1:7105' },
    { remove: 0 },
    { replace: 2, by: '[::1]:07105', force: true },
    { force: false, remove: 4_294_967_294 },
  ]
  fake.onChange = async () => fake.enter(fake.epoch + 1, [fakeMember(1)])
  for (const [i, body] of bodies.entries()) {
    const answered = await change(body)
    assert.is(answered.status, 200)
    assert.is((JSON.parse(answered.text) as Members).epoch, i + 1)
  }
  assert.equal(fake.changes, [
    { change: { kind: 'add', address: '127.0.0.1:7105' }, force: false },
    { change: { kind: 'remove', id: 0 }, force: false },
    { change: { kind: 'replace', id: 2, address: '[::1]:7105' }, force: true },
    { change: { kind: 'remove', id: 4_294_967_294 }, force: false },
  ])
})

test('what is no change is 400, with the place of the fault, and nothing is asked of the replica', async () => {
  const cases: [body: unknown, why: RegExp][] = [
    ['', /is not JSON/],
    ['{"add"', /is not JSON/],
    ['{"remove":1,"remove":2}', /"remove" occurs twice/],
    [[], /the change is an object/],
    [null, /the change is an object/],
    [{}, /a change is \{"add"\}, \{"remove"\}/],
    [{ force: true }, /a change is/],
    [{ add: 'a:1', remove: 1 }, /a change is/],
    [{ replace: 1 }, /a change is/],
    [{ by: 'a:1' }, /a change is/],
    [{ remove: 1, by: 'a:1' }, /a change is/],
    [{ remove: 1, forced: true }, /the change has no "forced"/],
    [{ remove: 1, force: 1 }, /"force" is true or false/],
    [{ remove: 1, force: null }, /"force" is true or false/],
    [{ remove: '1' }, /"remove" is the id of a member/],
    [{ remove: -1 }, /"remove" is the id of a member/],
    [{ remove: 0.5 }, /"remove" is the id of a member/],
    [{ remove: 4_294_967_295 }, /"remove" is the id of a member/],
    [{ replace: [1], by: 'a:1' }, /"replace" is the id of a member/],
    [{ add: 7105 }, /"add" is a string/],
    [{ add: '127.0.0.1' }, /"add": not an address HOST:PORT: 127\.0\.0\.1/],
    [{ replace: 1, by: 'a b:1' }, /"by": not an address HOST:PORT/],
    [{ add: 'http://a:1' }, /"add": not an address/],
    [{ add: 'a:0' }, /"add": not an address of a replica \(port 0\)/],
    [{ add: '0.0.0.0:7105' }, /"add": not an address of a replica \(it stands for every address/],
    [{ add: '[::]:7105' }, /it stands for every address/],
    [{ add: `${'a'.repeat(300)}:1` }, /longer than 262 bytes/],
  ]
  for (const [body, why] of cases) {
    const answered = await change(body)
    assert.equal([answered.status, codeOf(answered)], [400, 'malformed'], JSON.stringify(body))
    assert.match(messageOf(answered), why)
  }
  const large = await change(`{"add":"${'a'.repeat(5000)}"}`)
  assert.equal([large.status, codeOf(large)], [413, 'too_large'])
  assert.is((await ask(url, 'POST', '/members?consistency=stale', '{"remove":1}')).status, 400)
  for (const method of ['PUT', 'DELETE']) {
    const other = await ask(url, method, '/members', '{"remove":1}')
    assert.equal([other.status, other.headers.allow], [405, 'GET, HEAD, POST'])
  }
  assert.equal(fake.changes, [])
})

test('a change that is refused has the status of its code; one that may be done is 504', async () => {
  const cases: [error: Error, status: number, code: string][] = [
    [new EpaxosError('bad_change', 'the last member stays'), 409, 'bad_change'],
    [new EpaxosError('no_quorum', '1 of 2 would be up'), 503, 'no_quorum'],
    [new EpaxosError('unreachable', 'nobody answers at a:1'), 503, 'unreachable'],
    [new CommandError('not_ready', 'refused', 'no quorum'), 503, 'not_ready'],
    [new CommandError('timeout', 'unknown', 'not decided in 2000 ms'), 504, 'timeout'],
  ]
  for (const [error, status, code] of cases) {
    fake.onChange = () => Promise.reject(error)
    const answered = await change({ remove: 1 })
    assert.equal([answered.status, codeOf(answered), messageOf(answered)], [status, code, error.message])
  }
  fake.notReady = 'catching up'
  assert.equal(codeOf(await change({ remove: 1 })), 'not_ready')
  assert.is(fake.changes.length, cases.length)
})

test('while it takes long the client hears every second that it goes on', async () => {
  let finish = () => {}
  fake.onChange = () => new Promise((resolve) => (finish = resolve))
  let heard = 0
  const { request } = await import('node:http')
  const status = new Promise<number>((resolve, reject) => {
    const sent = request(`${url}/members`, { method: 'POST', agent: false }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode as number))
    })
    sent.on('information', ({ statusCode }) => {
      assert.is(statusCode, 102)
      heard++
      if (heard === 2) finish()
    })
    sent.on('error', reject)
    sent.end('{"remove":1}')
  })
  assert.is(await status, 200)
  assert.is(heard, 2)
})

test('a secret is asked for, as for everything', async () => {
  const guarded = await serveClients(fake, { host: '127.0.0.1', port: 0, secret: 'open sesame' })
  const at = `http://127.0.0.1:${guarded.port}`
  for (const method of ['GET', 'POST']) {
    const answered = await ask(at, method, '/members', '{"remove":1}')
    assert.equal([answered.status, codeOf(answered)], [401, 'unauthorized'])
  }
  assert.equal(fake.changes, [])
  const proved = await ask(at, 'POST', '/members', '{"remove":1}', { Authorization: 'Bearer open sesame' })
  assert.is(proved.status, 200)
  await guarded.close()
})

test.run()

const real = serverSuite('members of a running cluster')

real('are those that found it: epoch 0, where ids are positions', async () => {
  const replicas = await Replicas.open()
  try {
    const all = () => replicas.replica(2).members().members
    await until(() => all().every(({ up, client }) => up && client !== ''), 'all members linked')
    const answered = await ask(replicas.url(2), 'GET', '/members')
    const { epoch, nextId, leaving, members } = JSON.parse(answered.text) as Members
    assert.equal([epoch, nextId, leaving], [0, 3, false])
    assert.equal(
      members.map(({ id, address, up }) => [id, address, up]),
      [0, 1, 2].map((id) => [id, `127.0.0.1:${replicas.peerPort(id)}`, true]),
    )
    assert.is(members[2]?.client, replicas.url(2))
    const { replicas: shown, epoch: its } = JSON.parse((await ask(replicas.url(2), 'GET', '/status')).text)
    assert.equal([its, shown], [0, members.map(({ id, client, up }) => ({ id, client, up }))])
    assert.match((await ask(replicas.url(2), 'GET', '/metrics')).text, /^epaxos_epoch 0$/m)
  } finally {
    await replicas.close()
  }
})

real.run()
