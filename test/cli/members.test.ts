import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CommandError, EpaxosError } from '../../src/errors.ts'
import { type ClientServer, serveClients } from '../../src/http/index.ts'
import type { Members } from '../../src/node/requests.ts'
import { type CliResult, killAllCli, runCli } from '../support/cli.ts'
import { FakeRequests, fakeMember } from '../support/fake-requests.ts'
import { freePorts } from '../support/ports.ts'

const test = suite('epaxos members')

let fake: FakeRequests
let server: ClientServer
let url: string

test.before.each(async () => {
  fake = new FakeRequests(2)
  server = await serveClients(fake, { host: '127.0.0.1', port: 0 })
  url = `http://127.0.0.1:${server.port}`
  fake.nextId = 8
  fake.enter(3, [fakeMember(2, url), { ...fakeMember(7), up: false }])
})
test.after.each(() => server.close())
test.after(killAllCli)

const members = (...args: string[]): Promise<CliResult> => runCli(['members', ...args, '--url', url])

test('prints the epoch, and the id, the address, the URL of each member, and whether it is up', async () => {
  const { code, stdout, stderr } = await members()
  assert.equal([code, stderr], [0, ''])
  const pad = (text: string) => text.padEnd(url.length)
  assert.is(
    stdout,
    [
      'epoch 3, the next id is 8',
      `id  address         ${pad('client')}  up`,
      `2   127.0.0.1:7102  ${pad(url)}  yes`,
      `7   127.0.0.1:7107  ${pad('-')}  no`,
      '',
    ].join('\n'),
  )
  fake.enter(4, [fakeMember(7)], true)
  const removed = await members()
  assert.match(removed.stdout, /^epoch 4, [\s\S]*\nthe replica that was asked is no member any more\n$/)
  const json = await members('--json')
  assert.equal(JSON.parse(json.stdout), fake.members())
})

test('asks for each change, and prints the new members', async () => {
  fake.onChange = async () => fake.enter(fake.epoch + 1, [fakeMember(9)])
  const results = [
    await members('add', '127.0.0.1:07105'),
    await members('remove', '07', '--force'),
    await members('replace', '2', '[::1]:7105', '--json'),
  ]
  assert.equal(
    results.map(({ code, stderr }) => [code, stderr]),
    [
      [0, ''],
      [0, ''],
      [0, ''],
    ],
  )
  assert.match((results[0] as CliResult).stdout, /^epoch 4, .*\n.*\n9 {3}127/)
  assert.is((JSON.parse((results[2] as CliResult).stdout) as Members).epoch, 6)
  assert.equal(fake.changes, [
    { change: { kind: 'add', address: '127.0.0.1:7105' }, force: false },
    { change: { kind: 'remove', id: 7 }, force: true },
    { change: { kind: 'replace', id: 2, address: '[::1]:7105' }, force: false },
  ])
})

test('wrong usage is 2, and asks nobody', async () => {
  const cases: [args: string[], why: RegExp][] = [
    [['ad', 'a:1'], /add, remove or replace, not ad/],
    [['add'], /the address HOST:PORT of a new member is missing/],
    [['add', 'a'], /not an address HOST:PORT: a/],
    [['add', 'a:0'], /port 0/],
    [['add', '0.0.0.0:1'], /every address of a machine/],
    [['add', 'a:1', 'b:1'], /unexpected argument b:1/],
    [['remove'], /the ID of a member is missing/],
    [['remove', '-1'], /a whole number from 0 to 4294967294, not -1/],
    [['remove', '1.5'], /a whole number/],
    [['remove', '4294967295'], /a whole number/],
    [['remove', '1', '2'], /unexpected argument 2/],
    [['replace', '1'], /the address HOST:PORT/],
    [['replace', 'a:1', '1'], /a whole number/],
    [['replace', '1', 'a:1', 'x'], /unexpected argument x/],
    [['--force'], /--force is for a change/],
  ]
  const results = await Promise.all(cases.map(([args]) => members(...args)))
  for (const [i, [args, why]] of cases.entries()) {
    const { code, stdout, stderr } = results[i] as CliResult
    assert.equal([code, stdout], [2, ''], args.join(' '))
    assert.match(stderr, why)
  }
  assert.equal(fake.changes, [])
})

test('each refusal has its exit code, and an unknown outcome is 3', async () => {
  const cases: [error: Error, code: number][] = [
    [new EpaxosError('bad_change', 'the last member stays'), 1],
    [new EpaxosError('no_quorum', '1 of 2 would be up'), 4],
    [new EpaxosError('unreachable', 'nobody answers at a:1'), 4],
    [new CommandError('timeout', 'unknown', 'not decided in 2000 ms'), 3],
  ]
  for (const [error, exit] of cases) {
    fake.onChange = () => Promise.reject(error)
    const { code, stdout, stderr } = await members('remove', '7')
    assert.equal(
      [code, stdout, stderr],
      [exit, '', `epaxos: members: ${error.message} (${(error as EpaxosError).code})\n`],
    )
  }
  const [port] = await freePorts(1)
  assert.is((await runCli(['members', '--url', `http://127.0.0.1:${port}`])).code, 4)
})

test('an answer that is no JSON is reported: of a change it is unknown', async () => {
  const other = createServer((request, response) => request.resume().once('end', () => response.end('<html>')))
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const at = ['--url', `http://127.0.0.1:${(other.address() as AddressInfo).port}`]
  const results = await Promise.all([
    runCli(['members', ...at]),
    runCli(['members', 'remove', '7', ...at]),
    runCli(['status', ...at]),
  ])
  other.closeAllConnections()
  other.close()
  assert.equal(
    results.map(({ code }) => code),
    [4, 3, 4],
  )
  for (const { stderr } of results) assert.match(stderr, /^epaxos: http:.* answers with something that is not JSON\n$/)
})

test('waits for a change for as long as the replica says that it works on it', async () => {
  fake.onChange = () => pause(3500)
  const { code, stderr } = await members('remove', '7', '--timeout-ms', '2000')
  assert.equal([code, stderr], [0, ''])
})

test.run()
