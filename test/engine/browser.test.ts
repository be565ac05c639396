import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fingerprint } from './fingerprint.ts'

const browser = suite('engine: browser')

const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium'
const root = fileURLToPath(new URL('../..', import.meta.url))

const page = `<!doctype html><script type="module">
const tell = (text) => fetch('/result', { method: 'POST', body: text })
import('/test/engine/fingerprint.ts').then((module) => module.fingerprint()).then(tell, (error) => tell(String(error)))
</script>`

if (!existsSync(chromium)) {
  browser.skip(`no Chromium at ${chromium}: set CHROMIUM`, () => {})
} else {
  browser('in a page of headless Chromium the engine answers as it does here', async () => {
    const expected = await fingerprint()
    assert.is(await resultInChromium(), expected)
  })
}

/** The result of a page that imports the sources, file by file. */
async function resultInChromium(): Promise<string> {
  const { server, result } = await serve()
  const profile = await mkdtemp(join(tmpdir(), 'epaxos-chromium-'))
  const child = start(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, profile)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  try {
    return await Promise.race([result, ended.then(() => `${chromium} ended without a result`)])
  } finally {
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined)
      process.kill(-child.pid, 'SIGKILL')
    await ended
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}

/** Runs in a process group of its own, so that all processes of the browser can be ended. */
function start(url: string, profile: string): ChildProcess {
  const flags = [
    'headless',
    'no-sandbox',
    'disable-gpu',
    'disable-quic',
    'no-first-run',
    'disable-background-networking',
  ]
  const more = ['disable-component-update', 'disable-sync', 'disable-dev-shm-usage', `user-data-dir=${profile}`]
  const options = [...flags, ...more].map((flag) => `--${flag}`)
  return spawn(chromium, [...options, url], { stdio: 'ignore', detached: true })
}

async function serve(): Promise<{ server: Server; result: Promise<string> }> {
  let tell = (_: string): void => {}
  const result = new Promise<string>((resolve) => {
    tell = resolve
  })
  const server = createServer((request, response) => {
    answer(request, response, tell).catch((error: unknown) => response.writeHead(500).end(String(error)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, result }
}

async function answer(request: IncomingMessage, response: ServerResponse, tell: (text: string) => void): Promise<void> {
  const url = request.url ?? '/'
  if (url === '/') response.writeHead(200, { 'content-type': 'text/html' }).end(page)
  else if (/^\/(src|test)\/[\w/-]+\.ts$/.test(url)) {
    const { code } = await transform(await readFile(join(root, url), 'utf8'), { loader: 'ts', target: 'es2022' })
    response.writeHead(200, { 'content-type': 'text/javascript' }).end(code)
  } else if (url === '/result') {
    let text = ''
    for await (const chunk of request) text += chunk
    response.writeHead(204).end()
    tell(text)
  } else response.writeHead(404).end()
}

browser.run()
