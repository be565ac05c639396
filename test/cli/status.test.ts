import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { serveClients } from '../../src/http/index.ts'
import type { Status } from '../../src/node/status.ts'
import { killAllCli, runCli } from '../support/cli.ts'
import { FakeRequests, fakeMember } from '../support/fake-requests.ts'
import { Replicas } from '../support/replicas.ts'
import { until } from '../support/until.ts'

const test = suite('epaxos status')

test.after(killAllCli)

test('says so where a replica of another cluster answers at an address that was learned', async () => {
  const other = await Replicas.open({ count: 1 })
  const replicas = await Replicas.open({ advertise: ['', other.url(0)] })
  try {
    await until(() => replicas.replica(0).clientUrls.every((url) => url !== ''), 'addresses learned')
    const { stdout, code } = await runCli(['status', '--json', '--url', replicas.url(0)])
    assert.is(code, 0)
    const reports = JSON.parse(stdout) as { error?: string }[]
    assert.equal(
      reports.map(({ error = '' }) => error),
      ['', 'a replica of another cluster answers there', ''],
    )
  } finally {
    await replicas.close()
    await other.close()
  }
})

/** Serves fakes, and what `epaxos status` says of the first one. */
async function statusOf(fakes: readonly FakeRequests[], ...args: string[]): Promise<string> {
  const servers = await Promise.all(fakes.map((fake) => serveClients(fake, { host: '127.0.0.1', port: 0 })))
  const urls = servers.map(({ port }) => `http://127.0.0.1:${port}`)
  for (const fake of fakes) {
    const urlOf = (id: number) => urls[fakes.findIndex((other) => other.id === id)] ?? ''
    fake.present = fake.present.map((member) => ({ ...member, client: urlOf(member.id) }))
  }
  try {
    const { code, stdout, stderr } = await runCli(['status', ...args, '--url', urls[0] as string])
    assert.equal([code, stderr], [0, ''])
    return stdout
  } finally {
    await Promise.all(servers.map((server) => server.close()))
  }
}

function fakeOf(id: number | null, epoch: number, members: readonly number[]): FakeRequests {
  const fake = new FakeRequests(id)
  fake.enter(
    epoch,
    members.map((member) => ({ ...fakeMember(member), up: member !== 9 })),
  )
  return fake
}

const lines = (text: string) => text.trimEnd().split('\n')

/** The cells of the columns, of each replica. */
function cells(text: string, ...titles: string[]): string[][] {
  const [head, ...rows] = lines(text).map((line) => line.split(/ {2,}/))
  return rows.map((row) => titles.map((title) => row[(head as string[]).indexOf(title)] as string))
}

test('ids are no positions: it shows the epoch and the members, and asks each at its own URL', async () => {
  const text = await statusOf([fakeOf(9, 5, [4, 7, 9]), fakeOf(4, 5, [4, 7, 9]), fakeOf(7, 4, [2, 7, 4])])
  assert.equal(cells(text, 'id', 'epoch', 'members', 'sees', 'lag'), [
    ['4', '5', '4,7,9', '4,7', '0'],
    ['7', '4', '2,7,4', '2,7,4', 'an epoch'],
    ['9', '5', '4,7,9', '4,7', '0'],
  ])
  const urls = cells(text, 'client').map(([client]) => client as string)
  assert.is(new Set(urls).size, 3)
  for (const client of urls) assert.match(client, /^http:/)
})

test('a joiner, and a replica that was removed, are shown beside the members', async () => {
  const joiner = fakeOf(null, 0, [])
  joiner.clusterId = null
  assert.equal(cells(await statusOf([joiner]), 'id', 'epoch'), [['joins', '0']])
  const removed = await statusOf([fakeOf(0, 6, [4]), fakeOf(4, 6, [4])])
  assert.equal(cells(removed, 'id', 'members'), [
    ['0', '4'],
    ['4', '4'],
  ])
  const reports = JSON.parse(await statusOf([fakeOf(0, 6, [4]), fakeOf(4, 6, [4])], '--json')) as Status[]
  assert.equal(
    reports.map(({ id, epoch, replicas }) => [id, epoch, replicas.map((member) => member.id)]),
    [
      [0, 6, [4]],
      [4, 6, [4]],
    ],
  )
})

test.run()
