import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ask } from '../../src/cli/http/ask.ts'
import { Cli, type CliOptions, type CliResult, killAllCli, runCli, withFolder } from '../support/cli.ts'
import { freePorts } from '../support/ports.ts'
import { testServers } from '../support/servers.ts'
import { until } from '../support/until.ts'

const test = suite('epaxos replica')

test.after(killAllCli)

const START_MS = 20_000

interface Place {
  readonly client: string
  readonly url: string
  readonly args: readonly string[]
}

/** Arguments of a replica of a cluster of `replicas`, on free ports. */
async function places(replicas: number, folder: string): Promise<Place[]> {
  const ports = await freePorts(2 * replicas)
  const peers = ports.slice(replicas).map((port) => `127.0.0.1:${port}`)
  return peers.map((_, id) => {
    const client = `127.0.0.1:${ports[id]}`
    const where = ['--peers', peers.join(','), '--client', client, '--data', join(folder, String(id))]
    return { client, url: `http://${client}`, args: ['replica', '--id', String(id), ...where] }
  })
}

/** Like {@link places}, for a cluster of one. */
async function alone(folder: string): Promise<Place> {
  return (await places(1, folder))[0] as Place
}

function with_(args: readonly string[], flag: string, value: string): string[] {
  const at = args.indexOf(flag)
  return at < 0 ? [...args, flag, value] : args.with(at + 1, value)
}

async function statusOf(url: string, path = '/readyz'): Promise<{ status: number; text: string }> {
  try {
    const { status, body } = await ask({ url, timeoutMs: 5000 }, 'GET', path)
    return { status, text: new TextDecoder().decode(body) }
  } catch {
    return { status: 0, text: '' }
  }
}

/** Resolves when the replica answers with the status. */
async function answers(cli: Cli, url: string, status: number): Promise<void> {
  let last = 0
  let asking = false
  const poll = async () => {
    asking = true
    last = (await statusOf(url)).status
    asking = false
  }
  await until(
    () => {
      if (!asking) void poll()
      return last === status || cli.ended
    },
    `${url}/readyz to be ${status}`,
    START_MS,
  )
  if (last !== status) throw new Error(`ended: ${cli.stderr}`)
  await until(() => !asking, 'the last answer')
}

async function start(place: Place, args: readonly string[] = [], options?: CliOptions): Promise<Cli> {
  const cli = new Cli([...place.args, ...args], options)
  await answers(cli, place.url, 200)
  return cli
}

/** Checks that all output is JSON lines on stderr, and that the last line says why it ended. */
function endedWith(result: CliResult, code: number, why: RegExp): void {
  assert.is(result.code, code, result.stderr)
  assert.is(result.stdout, '')
  const lines = result.stderr.trimEnd().split('\n')
  const { msg } = JSON.parse(lines.at(-1) as string) as { msg: string }
  assert.match(msg, why)
}

test('warns of unknown variables of its prefix, not of those that Kubernetes sets for a service of its name', () =>
  withFolder(async (folder) => {
    const place = await alone(folder)
    const service = { EPAXOS_PORT: 'tcp://10.0.0.1:7001', EPAXOS_SERVICE_HOST: '10.0.0.1', EPAXOS_SERVICE_PORT: '7001' }
    const cli = await start(place, [], {
      env: { ...service, EPAXOS_CLIENT_PORT: 'tcp://10.0.0.2:1', EPAXOS_DATUM: 'x' },
    })
    const warnings = cli.logs.filter(({ level }) => level === 40).map(({ msg }) => msg)
    assert.equal(warnings, ['unknown environment variable EPAXOS_DATUM: ignored'])
    const put = await runCli(['put', 'k', 'v', '--url', place.url], { env: { ...service, EPAXOS_DATUM: 'x' } })
    assert.equal([put.code, put.stderr], [0, 'epaxos: unknown environment variable EPAXOS_DATUM: ignored\n'])
  }))

test('refuses unknown flags and keys, and arguments, with 2', () =>
  withFolder(async (folder) => {
    const { args } = await alone(folder)
    const file = join(folder, 'config.json')
    writeFileSync(file, JSON.stringify({ nonsense: 1 }))
    const runs = await Promise.all([
      runCli([...args, '--nonsense']),
      runCli([...args, 'nonsense']),
      runCli([...args, '--config', file]),
      runCli([...args, '--config', join(folder, 'absent')]),
    ])
    for (const { code, stdout, stderr } of runs) {
      assert.is(code, 2)
      assert.is(stdout, '')
      assert.match(stderr, /nonsense|absent/)
    }
  }))

test('refuses what cannot be with 2, and leaves no data directory', () =>
  withFolder(async (folder) => {
    const { args } = await alone(folder)
    const cases: [readonly string[], RegExp][] = [
      [['replica'], /--id is missing, or --join/],
      [args.slice(0, 3), /--peers is missing/],
      [args.slice(0, 5), /--client is missing/],
      [args.slice(0, 7), /--data is missing/],
      [with_(args, '--id', '1'), /id 1 is not a position in 1 peers/],
      [with_(args, '--peers', 'localhost'), /not an address HOST:PORT: localhost/],
      [with_(args, '--peers', '127.0.0.1:1,127.0.0.1:1'), /occurs twice/],
      [with_(args, '--client', '127.0.0.1:99999'), /not an address/],
      [with_(args, '--client', '127.0.0.1:0'), /--client needs a port/],
      [with_(args, '--client', '[::g]:1'), /not an address/],
      [with_(args, '--client', '[1.2]:1'), /not an address/],
      [with_(args, '--peers', '127.0.0.1:1,127.0.0.1:01'), /occurs twice/],
      [with_(args, '--allowed-origins', 'https://example.org/'), /--allowed-origins: not an origin/],
      [with_(args, '--allowed-origins', 'example.org'), /--allowed-origins: not an origin/],
      [with_(args, '--cluster', 'a/b'), /not a cluster's name/],
      [with_(args, '--secret-file', join(folder, 'absent')), /--secret-file: ENOENT/],
      [[...args, '--advertise', 'db-0:7001'], /the URL to advertise is no URL such as/],
      [[...args, '--advertise', 'http://0.0.0.0:7001'], /names no host that a client could reach/],
      [[...args, '--advertise', `http://${'a'.repeat(300)}`], /is longer than 256 bytes/],
      [[...args, '--advertise', 'http://me:pw@db-0:7001'], /has more than a scheme/],
    ]
    const results = await Promise.all(cases.map(([args]) => runCli(args)))
    for (const [i, [, why]] of cases.entries()) endedWith(results[i] as CliResult, 2, why)
    assert.throws(() => readFileSync(join(folder, '0', 'identity.json')), /ENOENT/)
  }))

test('joins instead of having an id and peers: by flag, variable or file; what cannot be is refused with 2', () =>
  withFolder(async (folder) => {
    const [client, peer] = (await freePorts(2)).map((port) => `127.0.0.1:${port}`) as [string, string]
    const file = join(folder, 'config.json')
    writeFileSync(file, JSON.stringify({ join: 'x' }))
    const rest = ['--client', client, '--data', join(folder, '0')]
    const line = ['replica', '--join', peer, ...rest]
    const runs: [args: readonly string[], env: Record<string, string>, why: RegExp][] = [
      [['replica', ...rest], {}, /--id is missing, or --join/],
      [[...line, '--id', '0'], {}, /--join is instead of --id/],
      [[...line, '--peers', peer], {}, /--join is instead of --peers/],
      [line, { EPAXOS_ID: '1' }, /--join is instead of EPAXOS_ID/],
      [
        ['replica', ...rest, '--config', file],
        { EPAXOS_PEERS: peer },
        /"join" in .*config.json is instead of EPAXOS_PEERS/,
      ],
      [['replica', ...rest, '--config', file], {}, /not an address HOST:PORT: x/],
      [['replica', ...rest], { EPAXOS_JOIN: 'y' }, /not an address HOST:PORT: y/],
      [with_(line, '--join', '127.0.0.1:0'), {}, /join needs a port/],
      [with_(line, '--join', peer.replace('127.0.0.1', '0.0.0.0')), {}, /needs a secret/],
      [[...line, '--durability', 'memory'], {}, /durability memory cannot join/],
      [line.slice(0, 5), {}, /--data is missing/],
      [line.slice(0, 3), {}, /--client is missing/],
    ]
    const results = await Promise.all(runs.map(([args, env]) => runCli(args, { env })))
    for (const [i, [, , why]] of runs.entries()) endedWith(results[i] as CliResult, 2, why)
    assert.throws(() => readFileSync(join(folder, '0', 'identity.json')), /ENOENT/)
  }))

test('listens beyond loopback only with a secret, for peers and for clients', () =>
  withFolder(async (folder) => {
    const place = await alone(folder)
    const { args, client } = place
    const everywhere = `0.0.0.0:${client.split(':')[1]}`
    const peers = args[args.indexOf('--peers') + 1] as string
    const [forClients, forPeers, short] = await Promise.all([
      runCli(with_(args, '--client', everywhere)),
      runCli(with_(args, '--peers', peers.replace('127.0.0.1', '0.0.0.0'))),
      runCli(args, { env: { EPAXOS_SECRET: 'short' } }),
    ])
    endedWith(forClients, 2, /needs a secret/)
    endedWith(forPeers, 2, /needs a secret/)
    endedWith(short, 2, /at least 8 bytes/)

    const secret = 'a secret of many bytes'
    const open = { ...place, args: with_(args, '--client', everywhere) }
    const cli = await start(open, [], { env: { EPAXOS_SECRET: secret } })
    assert.is(cli.logs.filter(({ msg }) => /learn no URL of this replica/.test(String(msg))).length, 1)
    assert.is((await runCli(['put', 'k', 'v', '--url', place.url])).code, 4)
    assert.is(
      (await runCli(['put', 'k', 'v', '--url', place.url], { env: { EPAXOS_SECRET: 'another secret' } })).code,
      4,
    )
    assert.is((await runCli(['put', 'k', 'v', '--url', place.url], { env: { EPAXOS_SECRET: secret } })).code, 0)
  }))

test('advertises the given URL, and never an address that stands for every host', () =>
  withFolder(async (folder) => {
    const place = await alone(folder)
    const secret = { EPAXOS_SECRET: 'a secret of many bytes' }
    const everywhere = { ...place, args: with_(place.args, '--client', `0.0.0.0:${place.client.split(':')[1]}`) }
    const advertised = async (told: Place, env: Record<string, string>) => {
      const cli = await start(told, [], { env })
      const status = await runCli(['status', '--json', '--no-learn', '--url', place.url], { env: secret })
      await cli.kill('SIGTERM')
      return (JSON.parse(status.stdout) as [{ replicas: [{ client: string }] }])[0].replicas[0].client
    }
    assert.is(await advertised(place, secret), place.url)
    assert.is(await advertised(everywhere, secret), '')
    const env = { ...secret, EPAXOS_ADVERTISE: 'https://db-0.example/kv' }
    assert.is(await advertised(everywhere, env), 'https://db-0.example/kv')
  }))

test('a flag beats the environment beats the file', () =>
  withFolder(async (folder) => {
    const place = await alone(folder)
    const file = join(folder, 'config.json')
    writeFileSync(file, JSON.stringify({ cluster: 'file', durability: 'memory', engine: 'reference' }))
    const env = { EPAXOS_CLUSTER: 'environment', EPAXOS_ENGINE: 'wasm', EPAXOS_URL: 'of another command' }
    const cli = await start(place, ['--config', file, '--cluster', 'flag'], { env })
    const { cluster, engine, durability } = JSON.parse((await statusOf(place.url, '/status')).text)
    assert.equal({ cluster, engine, durability }, { cluster: 'flag', engine: 'wasm', durability: 'memory' })
    assert.ok(
      cli.logs.some(({ msg }) => /nothing survives/.test(String(msg))),
      'memory says what it means',
    )
  }))

test('the server of the peer port can be named, and the status and the log say which it is', () =>
  withFolder(async (folder) => {
    const kinds = testServers.map(({ kind }) => kind)
    for (const server of kinds) {
      const place = await alone(folder)
      const cli = await start(place, [], { env: { EPAXOS_SERVER: server } })
      assert.is(JSON.parse((await statusOf(place.url, '/status')).text).server, server)
      assert.ok(cli.logs.some((line) => line.server === server))
      cli.process.kill('SIGTERM')
      await cli.exited()
    }
    const wrong = await runCli((await alone(folder)).args.concat('--server', 'other'))
    assert.is(wrong.code, 2)
    if (kinds.includes('uws')) return
    const missing = await runCli((await alone(folder)).args.concat('--server', 'uws'))
    assert.is(missing.code, 2)
    assert.match(missing.stderr, /unsupported_platform.*has no binary/)
  }))

test('stops with 0 at SIGTERM and at SIGINT, with logs in JSON and nothing on stdout', () =>
  withFolder(async (folder) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const place = await alone(folder)
      const cli = await start(place)
      assert.is((await runCli(['put', 'k', signal, '--url', place.url])).code, 0)
      endedWith(await cli.kill(signal), 0, /stopped/)
      assert.ok(cli.logs.length > 2)
    }
  }))

test('what was answered is there after kill -9', () =>
  withFolder(async (folder) => {
    const place = await alone(folder)
    const cli = await start(place)
    assert.is((await runCli(['put', 'k', 'v', '--url', place.url])).code, 0)
    await cli.kill('SIGKILL')
    await start(place)
    assert.is((await runCli(['get', 'k', '--url', place.url])).stdout, 'v\n')
  }))

test('says 503 and why while it is not ready, and stops with 0 also then', () =>
  withFolder(async (folder) => {
    const [place] = (await places(3, folder)) as [Place]
    const cli = new Cli(place.args)
    await answers(cli, place.url, 503)
    const { text } = await statusOf(place.url)
    assert.match(JSON.parse(text).error.message, /founding: waits for replica 1 \(127\.0\.0\.1:\d+\), replica 2 /)
    assert.is((await statusOf(place.url, '/livez')).status, 200)
    assert.is((await statusOf(place.url, '/status')).status, 200)
    const put = await runCli(['put', 'k', 'v', '--url', place.url])
    assert.is(put.code, 4)
    assert.match(put.stderr, /founding/)
    endedWith(await cli.kill('SIGTERM'), 0, /stopped/)
  }))

test('replicas whose peers are given by name find each other, and one that comes back', () =>
  withFolder(async (folder) => {
    const all = (await places(3, folder)).map((place) => {
      const peers = place.args[place.args.indexOf('--peers') + 1] as string
      return { ...place, args: with_(place.args, '--peers', peers.replaceAll('127.0.0.1', 'localhost')) }
    })
    const [, second, third] = (await Promise.all(all.map((place) => start(place)))) as [Cli, Cli, Cli]
    await third.kill('SIGKILL')
    await second.kill('SIGKILL')
    const [first, , last] = all as readonly Place[] as readonly [Place, Place, Place]
    await start(last)
    assert.is((await runCli(['put', 'k', 'v', '--url', first.url.replace('127.0.0.1', 'localhost')])).code, 0)
  }))

test('refuses a directory that another process uses with 3 (scenario 29)', () =>
  withFolder(async (folder) => {
    const [first, second] = [await alone(folder), await alone(folder)]
    const cli = await start(first)
    endedWith(await runCli(second.args), 3, /is used by/)
    assert.is((await statusOf(first.url)).status, 200)
    await cli.kill('SIGKILL')
    await start(second)
  }))

test('refuses the directory of another cluster, replica or number of peers, and a newer or foreign one, with 3', () =>
  withFolder(async (folder) => {
    const place = await alone(folder)
    await (await start(place)).kill('SIGTERM')
    const [, other] = (await places(2, folder)) as [Place, Place]
    const data = join(folder, '0')
    const three = await places(3, folder)
    const foreign = join(folder, 'foreign')
    mkdirSync(foreign)
    writeFileSync(join(foreign, 'letter.txt'), '')
    const identity = join(data, 'identity.json')
    const results = [
      await runCli([...place.args, '--cluster', 'another']),
      await runCli(with_(other.args, '--data', data)),
      await runCli(with_((three[0] as Place).args, '--data', data)),
      await runCli(with_(place.args, '--data', foreign)),
    ]
    writeFileSync(identity, readFileSync(identity, 'utf8').replace(/"formatVersion": \d+/, '"formatVersion": 99'))
    results.push(await runCli(place.args))
    const why = [
      /belongs to cluster local, not another/,
      /belongs to replica 0, not 1/,
      /of 1 replicas, not 3/,
      /letter\.txt/,
      /newer/,
    ]
    for (const [i, result] of results.entries()) endedWith(result, 3, why[i] as RegExp)
  }))

test('ends with 4 when its storage cannot be used, or its journal is gone', () =>
  withFolder(async (folder) => {
    const place = await alone(folder)
    writeFileSync(join(folder, 'file'), '')
    endedWith(await runCli(with_(place.args, '--data', join(folder, 'file', 'data'))), 4, /cannot be used/)
    await (await start(place)).kill('SIGTERM')
    await rm(join(folder, '0', 'journal'), { recursive: true })
    endedWith(await runCli(place.args), 4, /journal .* is gone/)
  }))

test('ends with 2 when a port is taken', () =>
  withFolder(async (folder) => {
    const server = createServer()
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
    })
    try {
      const place = await alone(folder)
      endedWith(await runCli(with_(place.args, '--client', `127.0.0.1:${port}`)), 2, new RegExp(String(port)))
      endedWith(await runCli(with_(place.args, '--peers', `127.0.0.1:${port}`)), 2, new RegExp(String(port)))
    } finally {
      server.close()
    }
  }))

test('ends with 5 when it comes back with an empty disk, and the others go on (scenario 12)', () =>
  withFolder(async (folder) => {
    const all = await places(3, folder)
    const [, second, third] = (await Promise.all(all.map((place) => start(place)))) as [Cli, Cli, Cli]
    const [{ url }, , place] = all as [Place, Place, Place]
    await third.kill('SIGKILL')
    await rename(join(folder, '2'), join(folder, 'lost'))
    endedWith(await runCli(place.args), 5, /another data directory/)
    assert.is((await runCli(['put', 'k', 'v', '--url', url])).code, 0)
    await rm(join(folder, '2'), { recursive: true })
    await rename(join(folder, 'lost'), join(folder, '2'))
    await start(place)
    assert.not(second.ended)
  }))

test.run()
