import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FULL_BYTES, NEARLY_FULL_BYTES } from '../../src/storage/space.ts'
import { LiveCluster, until } from './cluster.ts'

const test = suite('live cluster, a full disk')

/** The replica with the small disk. */
const FULL = 2
const MEBIBYTE = 1 << 20
const DISK_BYTES = NEARLY_FULL_BYTES + 128 * MEBIBYTE

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

const TITLE =
  'a replica whose disk is nearly full refuses writes, then takes no part, and goes on with space (scenario 28)'

const [program, ...args] = onSmallDisk(tmpdir())
if (spawnSync(program, [...args, 'true']).status !== 0) {
  console.log('skipped: no file system can be mounted here, so no disk is full')
  test.skip(TITLE, () => {})
} else {
  test(TITLE, () =>
    LiveCluster.use(
      { before: (folder, id) => (id === FULL ? onSmallDisk(join(folder, `${id}`)) : []) },
      async (cluster) => {
        const [url, other] = [cluster.url(FULL), cluster.url(0)]
        assert.is((await put(url)).status, 204)
        const ballast = join('/proc', `${cluster.pid(FULL)}`, 'root', cluster.folder, `${FULL}`, 'ballast')
        writeFileSync(ballast, Buffer.alloc(DISK_BYTES - NEARLY_FULL_BYTES))
        await until('writes are refused', 10_000, async () => (await put(url)).status !== 204)
        assert.equal(await put(url), { status: 503, code: 'disk_full' })
        for (const read of ['', '?consistency=stale']) assert.is((await fetch(`${url}/kv/k${read}`)).status, 200)
        for (let n = 0; n < 20; n++) assert.is((await put(other)).status, 204)
        assert.is((await fetch(`${other}/kv/k`)).status, 200)
        assert.ok(await cluster.isReady(FULL))
        // What the others continue to do must not fill the rest, so this replica no longer takes part.
        for (let n = 0; n < (2 * (NEARLY_FULL_BYTES - FULL_BYTES)) / MEBIBYTE && (await cluster.isReady(FULL)); n++) {
          assert.is((await put(other, 'x'.repeat(MEBIBYTE))).status, 204)
        }
        assert.equal(await put(url), { status: 503, code: 'not_ready' })
        assert.is((await put(other)).status, 204)
        assert.is((await fetch(`${url}/livez`)).status, 200)
        rmSync(ballast)
        await until('writes are taken again', 10_000, async () => (await put(url)).status === 204)
        await cluster.converged()
      },
    ),
  )
}

test.run()
