import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { clientConnections } from '../../src/cli/replica/descriptors.ts'
import { descriptorLimit, freeAddressSpace } from '../../src/system/limits.ts'
import { Cli, killAllCli, PROGRAM, runCli, withFolder } from '../support/cli.ts'
import { freePorts } from '../support/ports.ts'
import { testServers } from '../support/servers.ts'
import { until } from '../support/until.ts'

const test = suite('limits of the system')

test.after(killAllCli)

interface Place {
  readonly url: string
  readonly clientPort: number
  readonly peerPort: number
  readonly args: readonly string[]
}

async function places(replicas: number, folder: string): Promise<Place[]> {
  const ports = await freePorts(2 * replicas)
  const peers = ports.slice(replicas).map((port) => `127.0.0.1:${port}`)
  return peers.map((_, id) => {
    const [clientPort, peerPort] = [ports[id] as number, ports[replicas + id] as number]
    const where = ['--peers', peers.join(','), '--client', `127.0.0.1:${clientPort}`, '--data', join(folder, `${id}`)]
    return { url: `http://127.0.0.1:${clientPort}`, clientPort, peerPort, args: ['replica', '--id', `${id}`, ...where] }
  })
}

const NODE = Number.parseInt(process.versions.node, 10)

/** With fewer descriptors Node.js itself cannot load a file. */
const LEAST_DESCRIPTORS = NODE < 22 ? 20 : 22

/** Behind `ulimit`s. */
function limited(limits: string, args: readonly string[]): Cli {
  return new Cli(['-c', `ulimit ${limits}; exec "$@"`, 'sh', process.execPath, PROGRAM, ...args], {}, ['sh'])
}

test('the limits of this process are read', () => {
  assert.ok(descriptorLimit() > 0)
  assert.ok(freeAddressSpace() > 0)
})

test('too few descriptors are refused with 2 and a plain message, even if the program could still load', () =>
  withFolder(async (folder) => {
    const [place] = (await places(1, folder)) as [Place]
    for (const limit of [LEAST_DESCRIPTORS, 24, 28, 32, 40, 48, 56]) {
      const { code, stdout, stderr } = await limited(`-n ${limit}`, place.args).exited()
      assert.equal([code, stdout], [2, ''], `ulimit -n ${limit}: ${stderr}`)
      assert.match(stderr, /ulimit -n/)
      assert.not.match(stderr, /\n {4}at /)
    }
    // Node.js 22 and newer need more descriptors for their own start than these commands need to load.
    for (const command of NODE < 22 ? [['put', 'k', 'v'], ['cluster'], ['status']] : []) {
      const { code, stderr } = await limited(`-n ${LEAST_DESCRIPTORS}`, command).exited()
      assert.is(code, 2)
      assert.match(stderr, /^epaxos: .*ulimit -n[^\n]*\n$/m)
    }
  }))

test('the number of clients follows from the limit, and the least limit is named', () => {
  assert.is(clientConnections(20_000, 3) > 19_000, true)
  assert.is(clientConnections(Number.POSITIVE_INFINITY, 3), Number.POSITIVE_INFINITY)
  for (let limit = 30; limit < 200; limit++) {
    for (const replicas of [1, 3, 5, 9]) {
      try {
        assert.ok(clientConnections(limit, replicas) >= 8)
      } catch (error) {
        const { code, message } = error as { code: string; message: string }
        assert.is(code, 'resources')
        const least = Number(/at least (\d+)$/.exec(message)?.[1])
        assert.ok(least > limit && clientConnections(least, replicas) >= 8)
        assert.throws(() => clientConnections(least - 1, replicas))
      }
    }
  }
})

test('too little address space for the journal or the engine is refused with 2, and says what helps', () =>
  withFolder(async (folder) => {
    const [place] = (await places(1, folder)) as [Place]
    const journal = /the journal needs 65\.0 GiB of address space.*ulimit -v/
    // Node.js 24 gives the engine its memory without reserving addresses, so there the journal is first.
    const engine = NODE < 24 ? /no memory for the engine in WebAssembly/ : journal
    for (const [kib, why] of [
      [4_000_000, engine],
      [20_000_000, engine],
      [60_000_000, journal],
      [80_000_000, journal],
    ] as const) {
      const { code, stderr } = await limited(`-v ${kib}`, place.args).exited()
      assert.is(code, 2, `ulimit -v ${kib}: ${stderr}`)
      const { code: name, msg } = JSON.parse(stderr.trimEnd().split('\n').at(-1) as string)
      assert.is(name, 'resources')
      assert.match(msg, why)
    }
    const reference = limited('-v 80000000', [...place.args, '--engine', 'reference', '--durability', 'memory'])
    await until(() => reference.ended || /"started"/.test(reference.stderr), 'the start')
    assert.not(reference.ended)
  }))

test('clients that hold connections take no descriptor from the peers, and cost nothing', () =>
  withFolder(async (folder) => {
    const all = await places(3, folder)
    const [first, second, third] = all as [Place, Place, Place]
    const replicas = all.map(({ args }) => limited('-n 96', args))
    await untilReady(first.url, second.url, third.url)
    const idle = Array.from({ length: 200 }, () => dial(first.clientPort))
    const strangers = Array.from({ length: 100 }, () => dial(first.peerPort))
    await pause(500)
    const { pid } = replicas[0] as Cli
    const [openAt, cpuBefore] = [Date.now(), cpuMs(pid)]
    await (replicas[2] as Cli).kill('SIGKILL')
    const again = limited('-n 96', third.args)
    await untilReady(third.url)
    await pause(1000)
    assert.ok(cpuMs(pid) - cpuBefore < 0.3 * (Date.now() - openAt), 'no spinning')
    assert.not((replicas[0] as Cli).ended)
    // All three are linked again: with the second one down, the other two are a quorum.
    await (replicas[1] as Cli).kill('SIGKILL')
    const deadline = Date.now() + 10_000
    while ((await runCli(['put', 'k', 'v', '--url', third.url])).code !== 0) assert.ok(Date.now() < deadline)
    for (const socket of [...idle, ...strangers]) socket.destroy()
    await untilReady(first.url)
    const logged = (replicas[0] as Cli).logs.filter(({ msg }) => /connections/.test(String(msg)))
    assert.ok(logged.length > 0 && logged.length < 20, `${logged.length} lines say so`)
    assert.not(again.ended)
  }))

test('when descriptors run out later, what is open goes on, what is new is refused, and all goes on afterwards', () =>
  withFolder(async (folder) => {
    for (const { kind: server } of testServers) {
      const [place] = (await places(1, join(folder, server))) as [Place]
      const replica = new Cli([...place.args, '--server', server])
      await untilReady(place.url)
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      assert.is(await putOver(agent, place.url), 204)
      const open = readdirSync(`/proc/${replica.pid}/fd`).length
      setDescriptors(replica.pid, open - 1)
      const sockets = Array.from({ length: 20 }, () => [dial(place.clientPort), dial(place.peerPort)]).flat()
      await pause(300)
      for (let i = 0; i < 20; i++) assert.is(await putOver(agent, place.url), 204)
      const [idleFrom, cpuBefore] = [performance.now(), cpuMs(replica.pid)]
      await pause(1000)
      const share = (cpuMs(replica.pid) - cpuBefore) / (performance.now() - idleFrom)
      assert.ok(share < 0.5, `${server}: no spinning, but ${share.toFixed(2)} of a processor`)
      for (const socket of sockets) socket.destroy()
      setDescriptors(replica.pid, open + 50)
      await untilReady(place.url)
      assert.is((await runCli(['put', 'k', 'v', '--url', place.url])).code, 0)
      agent.destroy()
      assert.is((await replica.kill('SIGTERM')).code, 0)
    }
  }))

/** Changes the limit of a process that runs. */
function setDescriptors(pid: number, soft: number): void {
  execFileSync('prlimit', [`--nofile=${soft}:`, '--pid', String(pid)])
}

/** The status of a put over a connection that stays open. */
function putOver(agent: Agent, url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const put = request(`${url}/kv/k`, { method: 'PUT', agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0))
    })
    put.once('error', reject).end('v')
  })
}

async function untilReady(...urls: string[]): Promise<void> {
  for (const url of urls) {
    for (const end = Date.now() + 20_000; ; await pause(50)) {
      if (
        await fetch(`${url}/readyz`).then(
          ({ status }) => status === 200,
          () => false,
        )
      )
        break
      if (Date.now() > end) throw new Error(`${url} is not ready`)
    }
  }
}

/** A connection that asks for nothing. */
function dial(port: number): Socket {
  return connect(port, '127.0.0.1').on('error', () => {})
}

/** CPU time of a process so far. */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return 10 * (Number(fields[11]) + Number(fields[12]))
}

test.run()
