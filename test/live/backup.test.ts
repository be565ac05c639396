import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Cli, type CliResult, PROGRAM, runCli, withFolder } from '../support/cli.ts'
import { freePorts } from '../support/ports.ts'
import { LiveCluster, until } from './cluster.ts'

const test = suite('live cluster, backup and restore')

const WRITERS = 6
const MEBIBYTE = 1 << 20

/** Again where a slow machine takes longer than the request timeout: it may be done twice. */
async function put(url: string, key: string, value: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    const { status } = await fetch(`${url}/kv/${key}`, { method: 'PUT', body: value })
    if (status === 204) return
    assert.ok(status === 504 && tries < 5, `status ${status}, try ${tries}`)
  }
}

async function get(url: string, key: string, query = ''): Promise<string> {
  const response = await fetch(`${url}/kv/${key}${query}`)
  return response.status === 404 ? '' : await response.text()
}

/** Writes the next number to two keys at once, again and again. */
class Writer {
  readonly keys: readonly [string, string]
  readonly #url: string
  /** The last number that was sent, and the last that was answered. */
  sent = 0
  answered = 0
  #ended = false
  #running: Promise<void> = Promise.resolve()

  constructor(url: string, number: number) {
    this.#url = url
    this.keys = [`a${number}`, `b${number}`]
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#ended = true
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#ended) {
      const value = `${++this.sent}`
      const body = JSON.stringify({ if: [], then: this.keys.map((key) => ({ put: key, value })), else: [] })
      const response = await fetch(`${this.#url}/transaction`, { method: 'POST', body })
      assert.is(response.status, 200)
      await response.arrayBuffer()
      this.answered = this.sent
    }
  }
}

async function succeeds(...args: string[]): Promise<CliResult> {
  const result = await runCli(args)
  assert.is(result.code, 0, `${args.join(' ')}: ${result.stderr}`)
  return result
}

/** Restores one file into the directories of a whole cluster. */
function restored(file: string, replicas: number) {
  return async (folder: string): Promise<void> => {
    for (let id = 0; id < replicas; id++) {
      await succeeds('restore', file, '--data', join(folder, `${id}`), '--id', `${id}`, '--replicas', `${replicas}`)
    }
  }
}

const clusterOf = (file: string, replicas: number) => ({ replicas, prepare: restored(file, replicas) })

/** Fills the cluster so that a backup of it takes a while. */
async function fill(cluster: LiveCluster, mebibytes: number): Promise<void> {
  for (let i = 0; i < mebibytes; i++)
    await put(cluster.url(i % cluster.ids.length), `large${i}`, `${i}`.repeat(MEBIBYTE).slice(0, MEBIBYTE))
}

function unfinishedIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('.unfinished-'))
}

test('a backup under writes is the state as of one point, and clusters of 1, 3 and 5 begin with it', () =>
  withFolder(async (folder) => {
    const file = join(folder, 'backup')
    const writers: Writer[] = []
    let answered: number[] = []
    let sent: number[] = []
    await LiveCluster.use({}, async (cluster) => {
      await fill(cluster, 8)
      for (let i = 0; i < WRITERS; i++) writers.push(new Writer(cluster.url(i % 3), i))
      for (const writer of writers) writer.start()
      await pause(300)
      answered = writers.map((writer) => writer.answered)
      const { stdout } = await succeeds('backup', file, '--url', cluster.url(2))
      sent = writers.map((writer) => writer.sent)
      await until('the writes go on', 10_000, async () =>
        writers.every((writer, i) => writer.answered > (sent[i] as number)),
      )
      await Promise.all(writers.map((writer) => writer.stop()))
      assert.match(stdout, /digest +[0-9a-f]{64}/)
      assert.ok(
        writers.every((writer, i) => writer.answered > (sent[i] as number)),
        'the writes went on',
      )
    })
    const states = new Set<string>()
    for (const replicas of [1, 3, 5]) {
      await LiveCluster.use(clusterOf(file, replicas), async (cluster) => {
        const url = cluster.url(replicas - 1)
        const values = await Promise.all(writers.flatMap(({ keys }) => keys.map((key) => get(url, key))))
        for (const [i] of writers.entries()) {
          const [a, b] = [values[2 * i], values[2 * i + 1]]
          assert.is(a, b, 'a transaction is in the backup as a whole')
          assert.ok(Number(a) >= (answered[i] as number), 'what was answered before the backup is in it')
          assert.ok(Number(a) <= (sent[i] as number), 'what was sent after it is not')
        }
        const hashes = await Promise.all(cluster.ids.map(async (id) => (await cluster.status(id)).stateHash))
        states.add(JSON.stringify([values, [...new Set(hashes)]]))
        await put(url, 'a0', 'new')
        assert.is(await get(cluster.url(0), 'a0'), 'new')
        assert.is((await get(url, 'large7')).length, MEBIBYTE)
      })
    }
    assert.is(states.size, 1, 'all replicas of all clusters began with the same state')
  }))

test('a backup that is killed, or whose replica is, leaves no file under its name', () =>
  withFolder(async (folder) => {
    const file = join(folder, 'backup')
    await LiveCluster.use({}, async (cluster) => {
      await fill(cluster, 24)
      /** A backup that has stopped in the middle. */
      const begin = async (): Promise<Cli> => {
        const cli = new Cli(['backup', file, '--url', cluster.url(2)])
        const hasBegun = async () => unfinishedIn(folder).some((name) => statSync(join(folder, name)).size > 0)
        for (const end = performance.now() + 30_000; !(await hasBegun()); await pause(1)) {
          assert.ok(performance.now() < end && !cli.ended, cli.stderr)
        }
        cli.process.kill('SIGSTOP')
        return cli
      }
      assert.is((await (await begin()).kill()).code, null)
      assert.is(unfinishedIn(folder).length, 1)
      rmSync(join(folder, unfinishedIn(folder)[0] as string))

      const asked = await begin()
      asked.process.kill('SIGTERM')
      asked.process.kill('SIGCONT')
      assert.is((await asked.exited()).code, 1)
      assert.equal(readdirSync(folder), [])

      const cut = await begin()
      await cluster.stop(2)
      cut.process.kill('SIGCONT')
      const { code, stderr } = await cut.exited()
      assert.is(code, 4, stderr)
      assert.equal(readdirSync(folder), [])
      const unreachable = await runCli(['backup', file, '--url', cluster.url(2)])
      assert.is(unreachable.code, 4)
      assert.match(unreachable.stderr, /cannot be reached|ECONNREFUSED/)

      // The others go on, and give one.
      const { stderr: told } = await succeeds('backup', file, '--url', cluster.url(0))
      assert.match(told, /takes a checkpoint/)
      assert.equal(readdirSync(folder), ['backup'])
      await succeeds('inspect', file)
    })
  }))

test('a restore that is killed leaves a directory on which no replica starts, and is done again', () =>
  withFolder(async (folder) => {
    const [file, data] = [join(folder, 'backup'), join(folder, 'data')]
    await LiveCluster.use({ replicas: 1 }, async (cluster) => {
      await fill(cluster, 24)
      await succeeds('backup', file, '--url', cluster.url(0))
    })
    const restore = ['restore', file, '--data', data, '--id', '0', '--replicas', '1']
    const killed = new Cli(restore)
    const hasBegun = async () => existsSync(join(data, 'restoring'))
    for (const end = performance.now() + 30_000; !(await hasBegun()); await pause(1)) {
      assert.ok(performance.now() < end && !killed.ended, killed.stderr)
    }
    assert.is((await killed.kill()).code, null)
    const [peer, client] = await freePorts(2)
    const addresses = ['--peers', `127.0.0.1:${peer}`, '--client', `127.0.0.1:${client}`]
    const started = await runCli(['replica', '--id', '0', ...addresses, '--data', data])
    assert.is(started.code, 3)
    assert.match(started.stderr, 'was not restored to the end: run epaxos restore again')
    await succeeds(...restore)
    await succeeds('inspect', data)
    await LiveCluster.use(
      { replicas: 1, prepare: async (folder) => renameSync(data, join(folder, '0')) },
      async (cluster) => assert.is((await get(cluster.url(0), 'large23')).length, MEBIBYTE),
    )
  }))

test('members that were restored from different backups, or not at all, do not found a cluster', () =>
  withFolder(async (folder) => {
    const [first, second, old] = ['first', 'second', 'old'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ]
    await LiveCluster.use({}, async (cluster) => {
      await put(cluster.url(0), 'k', 'first')
      await succeeds('backup', first, '--url', cluster.url(0))
      await put(cluster.url(0), 'k', 'second')
      await succeeds('backup', second, '--url', cluster.url(0))
      for (const id of cluster.ids) await cluster.stop(id, 'SIGTERM')
      renameSync(join(cluster.folder, '2'), old)
    })
    const member = (data: string, id: number, file: string) =>
      succeeds('restore', file, '--data', data, '--id', `${id}`, '--replicas', '3')
    const prepare = async (data: string) => {
      await member(join(data, '0'), 0, first)
      await member(join(data, '1'), 1, first)
      await member(join(data, '2'), 2, second)
    }
    await LiveCluster.use({ prepare, unready: true }, async (cluster) => {
      const two = join(cluster.folder, '2')
      const reason = async (id: number) => {
        const response = await fetch(`${cluster.url(id)}/readyz`).catch(() => null)
        return response === null ? '' : await response.text()
      }
      const isRefused = async (why: RegExp) => why.test(await reason(2)) && /founding: waits for/.test(await reason(0))
      const origin = /not restored from the same backup/
      await until('the one from the second backup is refused', 30_000, () => isRefused(origin))
      const unfounded = await fetch(`${cluster.url(0)}/kv/k?consistency=stale`)
      assert.is(unfounded.status, 503, 'nothing is answered before the founding')

      await cluster.stop(2)
      rmSync(two, { recursive: true })
      cluster.start(2)
      await until('an empty one is refused', 30_000, () => isRefused(origin))

      await cluster.stop(2)
      rmSync(two, { recursive: true })
      renameSync(old, two)
      cluster.start(2)
      await until('a member of the old cluster is refused', 30_000, () => isRefused(/refused by replica 0/))

      await cluster.stop(2)
      rmSync(two, { recursive: true })
      await member(two, 2, first)
      cluster.start(2)
      await cluster.allReady()
      assert.is(await get(cluster.url(2), 'k'), 'first')
    })
  }))

test('the survivor of a lost majority has a state of the cluster, without what it did not learn', () =>
  withFolder(async (folder) => {
    const file = join(folder, 'last.backup')
    let before = ''
    await LiveCluster.use({}, async (cluster) => {
      for (let i = 0; i < 30; i++) await put(cluster.url(i % 3), `k${i % 7}`, `${i}`)
      await cluster.converged()
      // What was learned from others is on the disk a little later.
      await pause(300)
      before = await get(cluster.url(0), 'k1', '?consistency=stale')
      cluster.signal(0, 'SIGSTOP')
      await put(cluster.url(1), 'k1', 'not known to the survivor')
      for (const id of [1, 2]) await cluster.stop(id)
      for (const id of [1, 2]) rmSync(join(cluster.folder, `${id}`), { recursive: true })
      const data = join(cluster.folder, '0')
      const running = await runCli(['restore', file, '--from-survivor', data])
      assert.is(running.code, 3)
      assert.match(running.stderr, /is used by another process.*\(locked\)/)
      assert.not(existsSync(file))
      await cluster.stop(0)
      const { stdout } = await succeeds('restore', file, '--from-survivor', data)
      assert.match(stdout, /May be lost, although it was answered:\n.*had not been executed by replica 0/)
      const again = await runCli(['restore', file, '--from-survivor', data])
      assert.equal([again.code, /\(exists\)/.test(again.stderr)], [3, true])
    })
    await LiveCluster.use(clusterOf(file, 3), async (cluster) => {
      assert.is(before, '29')
      for (let i = 23; i < 30; i++) assert.is(await get(cluster.url(i % 3), `k${i % 7}`), `${i}`)
      await put(cluster.url(0), 'k1', 'new')
      assert.is(await get(cluster.url(1), 'k1'), 'new')
    })
  }))

/** Runs the command line with a disk of this size at the folder. */
function onDiskOf(bytes: number, folder: string, args: readonly string[]): Promise<CliResult> {
  const mount = `mkdir -p "$0" && mount -t tmpfs -o size=${bytes} none "$0" && "$@"; code=$?; ls -A "$0"; exit $code`
  const before = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', mount, folder]
  return new Cli(args, {}, [...before, process.execPath, PROGRAM]).exited()
}

test('on a disk that is too small a backup leaves nothing, and a restore nothing that a replica starts on', () =>
  withFolder(async (folder) => {
    const [file, small] = [join(folder, 'backup'), join(folder, 'small')]
    await LiveCluster.use({}, async (cluster) => {
      await fill(cluster, 8)
      const full = await onDiskOf(4 * MEBIBYTE, small, ['backup', join(small, 'b'), '--url', cluster.url(1)])
      assert.equal([full.code, full.stdout], [4, ''], full.stderr)
      assert.match(full.stderr, /\(disk_full\)/)
      await succeeds('backup', file, '--url', cluster.url(1))
    })
    const args = ['restore', file, '--data', join(small, 'data'), '--id', '0', '--replicas', '1']
    const full = await onDiskOf(4 * MEBIBYTE, small, args)
    assert.is(full.code, 4, full.stderr)
    assert.match(full.stderr, /\(disk_full\)/)
  }))

test.run()
