/**
 * Runs in namespaces of its own (see names.test.ts), where the only name server takes questions and says nothing. Three
 * replicas have each other's names in /etc/hosts; one is killed and its name goes; later another one is killed and
 * started again. Prints how long it takes in ms until the two answer clients.
 */
import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Cli, killAllCli } from '../support/cli.ts'

/** Long enough for the dials of the name that is gone to need more lookups than there are threads. */
const GONE_MS = 8000
const PEERS = 'a.test:7101,b.test:7102,c.test:7103'

const folder = mkdtempSync(join(tmpdir(), 'epaxos-names-'))
const hosts = join(folder, 'hosts')
const resolver = join(folder, 'resolv.conf')
writeFileSync(hosts, '127.0.0.1 localhost a.test b.test c.test\n')
writeFileSync(resolver, 'nameserver 127.0.0.1\n')
execFileSync('ip', ['link', 'set', 'lo', 'up'])
execFileSync('mount', ['--bind', hosts, '/etc/hosts'])
execFileSync('mount', ['--bind', resolver, '/etc/resolv.conf'])
const silent = createSocket('udp4').bind(53, '127.0.0.1')

function start(id: number): Cli {
  const where = ['--peers', PEERS, '--client', `127.0.0.1:${7001 + id}`, '--data', join(folder, `${id}`)]
  return new Cli(['replica', '--id', `${id}`, ...where], { env: { EPAXOS_SECRET: 'known to replicas only' } })
}

async function untilReady(...ids: number[]): Promise<void> {
  for (const id of ids) {
    const isReady = () =>
      fetch(`http://127.0.0.1:${7001 + id}/readyz`).then(
        ({ status }) => status === 200,
        () => false,
      )
    while (!(await isReady())) await pause(20)
  }
}

const [, gone, again] = [start(0), start(1), start(2)]
await untilReady(0, 1, 2)
writeFileSync(hosts, '127.0.0.1 localhost a.test c.test\n')
await gone.kill('SIGKILL')
await pause(GONE_MS)
await again.kill('SIGKILL')
const since = performance.now()
start(2)
await untilReady(2, 0)
console.log(Math.round(performance.now() - since))
await killAllCli()
silent.close()
rmSync(folder, { recursive: true })
