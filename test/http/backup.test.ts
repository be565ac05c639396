import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HttpConnection } from '../../src/http/connection.ts'
import { ContentType } from '../../src/http/error-body.ts'
import { Reply } from '../../src/http/reply.ts'
import { BackupFile } from '../../src/storage/backup-file.ts'
import { runCli, withFolder } from '../support/cli.ts'
import { Replicas } from '../support/replicas.ts'

const test = suite('backups over HTTP and by the command line')

async function codeOf(response: Response): Promise<string> {
  return ((await response.json()) as { error: { code: string } }).error.code
}

test('GET /backup sends a whole backup with its length; no other method does anything', () =>
  withFolder(async (folder) => {
    const replicas = await Replicas.open({ count: 1, durability: 'fsync' })
    try {
      await fetch(`${replicas.url(0)}/kv/k`, { method: 'PUT', body: 'v' })
      const response = await fetch(`${replicas.url(0)}/backup`)
      const bytes = Buffer.from(await response.arrayBuffer())
      assert.equal(
        [response.status, response.headers.get('content-type'), response.headers.get('content-length')],
        [200, 'application/octet-stream', `${bytes.length}`],
      )
      const path = join(folder, 'backup')
      writeFileSync(path, bytes)
      const backup = await BackupFile.open(path)
      assert.equal(
        [backup.about.clusterId, backup.about.replicas, backup.reader.header.id],
        [replicas.replica(0).clusterId, 1, 0],
      )
      await backup.close()
      for (const method of ['HEAD', 'POST', 'PUT', 'DELETE']) {
        const other = await fetch(`${replicas.url(0)}/backup`, { method })
        assert.is(other.status, 405, method)
      }
    } finally {
      await replicas.close()
    }
  }))

test('two backups at a time are given, and the next is refused; later ones are given again', async () => {
  const replicas = await Replicas.open({ count: 1, durability: 'fsync' })
  try {
    const ask = () => fetch(`${replicas.url(0)}/backup`)
    const answers = await Promise.all([ask(), ask(), ask(), ask()])
    const statuses = answers.map(({ status }) => status).sort()
    assert.equal([statuses[0], statuses.at(-1)], [200, 429])
    for (const answer of answers) {
      if (answer.status === 429) assert.is(await codeOf(answer), 'busy')
      else await answer.arrayBuffer()
    }
    const again = await ask()
    assert.is(again.status, 200)
    await again.arrayBuffer()
  } finally {
    await replicas.close()
  }
})

test('a long body leaves turns of the event loop to others, however fast its client is', async () => {
  let turns = 0
  let counting = true
  const count = () => {
    turns++
    if (counting) setImmediate(count)
  }
  count()
  const seen: number[] = []
  function* pieces(): Iterable<Uint8Array> {
    for (let i = 0; i < 50; i++) {
      seen.push(turns)
      yield new Uint8Array(128 << 10)
    }
  }
  const server = createServer((request, response) => {
    const reply = new Reply(request, response, new HttpConnection(request.socket), false)
    void reply.stream(200, ContentType.bytes, 50 * (128 << 10), pieces())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const body = await (await fetch(`http://127.0.0.1:${port}/`)).arrayBuffer()
  counting = false
  server.close()
  assert.is(body.byteLength, 50 * (128 << 10))
  assert.ok(
    seen.every((turn, i) => i === 0 || turn > (seen[i - 1] as number)),
    `${seen}`,
  )
})

test('a body whose pieces end early is cut, not ended, and the reason is known', async () => {
  let reason: Error | undefined
  function* pieces(): Iterable<Uint8Array> {
    yield new Uint8Array(1000)
    throw new Error('damaged')
  }
  const server = createServer((request, response) => {
    const reply = new Reply(request, response, new HttpConnection(request.socket), false)
    void reply.stream(200, ContentType.bytes, 2000, pieces()).then((error) => {
      reason = error
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const read = fetch(`http://127.0.0.1:${port}/`).then((response) => response.arrayBuffer())
  assert.is(
    await read.then(
      () => 'whole',
      () => 'cut',
    ),
    'cut',
  )
  assert.is(reason?.message, 'damaged')
  server.close()
})

test('a backup needs the secret, a quorum and a disk', async () => {
  const guarded = await Replicas.open({ count: 1, secret: 'known to us', durability: 'fsync' })
  assert.is((await fetch(`${guarded.url(0)}/backup`)).status, 401)
  const proved = await fetch(`${guarded.url(0)}/backup`, { headers: { authorization: 'Bearer known to us' } })
  assert.is(proved.status, 200)
  await proved.arrayBuffer()
  await guarded.close()
  const alone = await Replicas.open({ open: [0], durability: 'fsync' })
  const unready = await fetch(`${alone.url(0)}/backup`)
  assert.equal([unready.status, await codeOf(unready)], [503, 'not_ready'])
  await alone.close()
  const memory = await Replicas.open({ count: 1 })
  const nothing = await fetch(`${memory.url(0)}/backup`)
  assert.equal([nothing.status, await codeOf(nothing)], [500, 'configuration'])
  await memory.close()
})

test('each wrong input of backup, restore and inspect has its code and its exit code', () =>
  withFolder(async (folder) => {
    const replicas = await Replicas.open({ count: 1, durability: 'fsync' })
    const [file, data] = [join(folder, 'backup'), join(folder, 'data')]
    try {
      const backUp = (path: string) => runCli(['backup', path, '--url', replicas.url(0)])
      assert.is((await backUp(file)).code, 0)
      const exists = await backUp(file)
      assert.equal([exists.code, /exists already.*\(exists\)/.test(exists.stderr)], [3, true])
      const nowhere = await backUp(join(folder, 'no', 'backup'))
      assert.equal([nowhere.code, /\(storage\)/.test(nowhere.stderr)], [4, true])
    } finally {
      await replicas.close()
    }
    const content = readFileSync(file)
    const make = (name: string, bytes: Uint8Array): string => {
      writeFileSync(join(folder, name), bytes)
      return join(folder, name)
    }
    const flipped = Buffer.from(content)
    flipped[200] = (flipped[200] as number) ^ 4
    const layout = Buffer.from(content)
    layout[7] = 0x39
    const member = ['--data', data, '--id', '0', '--replicas', '1']
    const inputs: [path: string, code: string, restores: number, inspects: number][] = [
      [make('flipped', flipped), 'damaged', 4, 1],
      [make('short', content.subarray(0, content.length - 1)), 'damaged', 4, 1],
      [make('layout', layout), 'wrong_format', 3, 3],
      [make('text', Buffer.from('text')), 'not_a_backup', 3, 3],
      [join(folder, 'missing'), 'not_a_backup', 3, 3],
    ]
    for (const [path, code, restores, inspects] of inputs) {
      const restored = await runCli(['restore', path, ...member])
      assert.equal([restored.code, restored.stdout], [restores, ''], path)
      assert.match(restored.stderr, `(${code})`)
      assert.match(restored.stderr, path)
      const inspected = await runCli(['inspect', path])
      assert.is(inspected.code, inspects, path)
    }
    for (const args of [[], member.slice(0, 4), ['--data', data, '--id', '1', '--replicas', '1'], member.slice(2)]) {
      const usage = await runCli(['restore', file, ...args])
      assert.is(usage.code, 2, args.join(' '))
    }
    assert.is((await runCli(['restore', file, ...member])).code, 0)
    const used = await runCli(['restore', file, ...member])
    assert.equal([used.code, /is not empty.*\(exists\)/.test(used.stderr)], [3, true])
    const { stdout } = await runCli(['inspect', file, '--json'])
    const { digest, cluster } = JSON.parse(stdout) as { digest: string; cluster: string }
    assert.is(cluster, 'local')
    assert.match((await runCli(['inspect', data])).stdout, `origin       the backup ${digest}`)
    const foreign = await runCli(['restore', join(folder, 'new'), '--from-survivor', folder])
    assert.equal([foreign.code, /\(foreign_directory\)/.test(foreign.stderr)], [3, true])
  }))

test.run()
