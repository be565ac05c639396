import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LiveCluster, until } from './cluster.ts'

const test = suite('live cluster, a full disk')

/** The replica with the small disk, where only one has one. */
const FULL = 2
const MEBIBYTE = 1 << 20
const DISK_BYTES = 64 * MEBIBYTE
const NEARLY_FULL_BYTES = DISK_BYTES / 4
const FULL_BYTES = DISK_BYTES / 8

/** A value: little enough that a look at the disk comes in time. */
const CHUNK_BYTES = 256 << 10

/** Runs the command with a file system of this size at the folder; only the command sees it. */
function onSmallDisk(folder: string): [string, ...string[]] {
  const mount = `mkdir -p "$0" && mount -t tmpfs -o size=${DISK_BYTES} none "$0" && exec "$@"`
  return ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', mount, folder]
}

async function put(url: string, value = 'v'): Promise<{ status: number; code: string }> {
  const response = await fetch(`${url}/kv/k`, { method: 'PUT', body: value })
  const text = await response.text()
  return { status: response.status, code: text === '' ? '' : JSON.parse(text).error.code }
}

/** Where the test sees the disk of a replica. */
function ballastOf(cluster: LiveCluster, id: number): string {
  return join('/proc', `${cluster.pid(id)}`, 'root', cluster.folder, `${id}`, 'ballast')
}

async function oneFills(cluster: LiveCluster): Promise<void> {
  const [url, other] = [cluster.url(FULL), cluster.url(0)]
  assert.is((await put(url)).status, 204)
  const ballast = ballastOf(cluster, FULL)
  writeFileSync(ballast, Buffer.alloc(DISK_BYTES - NEARLY_FULL_BYTES))
  await until('writes are refused', 10_000, async () => (await put(url)).status !== 204)
  assert.equal(await put(url), { status: 503, code: 'disk_full' })
  for (const read of ['', '?consistency=stale']) assert.is((await fetch(`${url}/kv/k${read}`)).status, 200)
  for (let n = 0; n < 20; n++) assert.is((await put(other)).status, 204)
  assert.is((await fetch(`${other}/kv/k`)).status, 200)
  assert.ok(await cluster.isReady(FULL))
  // What the others continue to do must not fill the rest, so this replica no longer takes part.
  const most = (4 * (NEARLY_FULL_BYTES - FULL_BYTES)) / CHUNK_BYTES
  for (let n = 0; n < most && (await cluster.isReady(FULL)); n++) {
    assert.is((await put(other, 'x'.repeat(CHUNK_BYTES))).status, 204)
  }
  assert.equal(await put(url), { status: 503, code: 'not_ready' })
  assert.is((await put(other)).status, 204)
  assert.is((await fetch(`${url}/livez`)).status, 200)
  rmSync(ballast)
  await until('writes are taken again', 10_000, async () => (await put(url)).status === 204)
  await cluster.converged()
}

async function allFill(cluster: LiveCluster): Promise<void> {
  const answered = new Map<string, string>()
  const write = async (id: number, key: string) => {
    const response = await fetch(`${cluster.url(id)}/kv/${key}`, { method: 'PUT', body: key })
    if (response.status === 204) answered.set(key, key)
    return response.status
  }
  for (let n = 0; n < 20; n++) assert.is(await write(n % 3, `before-${n}`), 204)
  const ballasts = cluster.ids.map((id) => ballastOf(cluster, id))
  // So much that the replicas go on taking part.
  const bytes = DISK_BYTES - (NEARLY_FULL_BYTES + FULL_BYTES) / 2
  for (const ballast of ballasts) writeFileSync(ballast, Buffer.alloc(bytes))
  for (const id of cluster.ids) {
    await until(`${id} refuses writes`, 10_000, async () => (await write(id, `meanwhile-${id}`)) !== 204)
    assert.equal(await put(cluster.url(id)), { status: 503, code: 'disk_full' })
    for (const read of ['', '?consistency=stale']) {
      assert.is((await fetch(`${cluster.url(id)}/kv/before-1${read}`)).status, 200)
    }
  }
  for (const ballast of ballasts) rmSync(ballast)
  for (const id of cluster.ids) {
    await until(`${id} takes writes`, 10_000, async () => (await write(id, `after-${id}`)) === 204)
    for (const [key, value] of answered) {
      assert.is(await (await fetch(`${cluster.url(id)}/kv/${key}`)).text(), value)
    }
  }
  await cluster.converged()
}

const TESTS = [
  {
    title:
      'a replica whose disk is nearly full refuses writes, then takes no part, and goes on with space (scenario 28)',
    full: [FULL],
    body: oneFills,
  },
  {
    title: 'if the disks of all are nearly full, writes are refused and reads go on; nothing is lost (scenario 28)',
    full: [0, 1, 2],
    body: allFill,
  },
]

const [program, ...args] = onSmallDisk(tmpdir())
const mounts = spawnSync(program, [...args, 'true']).status === 0
if (!mounts) console.log('skipped: no file system can be mounted here, so no disk is full')
for (const { title, full, body } of TESTS) {
  if (!mounts) test.skip(title, () => {})
  else {
    test(title, () =>
      LiveCluster.use(
        { before: (folder, id) => (full.includes(id) ? onSmallDisk(join(folder, `${id}`)) : []) },
        async (cluster) => body(cluster),
      ),
    )
  }
}

test.run()
