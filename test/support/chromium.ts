import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The path of Chromium. */
export const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium'
export const hasChromium = existsSync(chromium)

const IMPORTS = { imports: { flatbuffers: '/node_modules/flatbuffers/mjs/flatbuffers.js' } }

const FLAGS = [
  'headless',
  'no-sandbox',
  'disable-gpu',
  'disable-quic',
  'no-first-run',
  'disable-background-networking',
  'disable-component-update',
  'disable-sync',
  'disable-dev-shm-usage',
]

/** A page of headless Chromium that imports the sources, file by file. */
export class Page {
  readonly #server: Server
  #html = ''
  #tell: (text: string) => void = () => {}

  /** Serves the page and the sources. */
  static async serve(): Promise<Page> {
    const page = new Page()
    await new Promise<void>((resolve) => page.#server.listen(0, '127.0.0.1', resolve))
    return page
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
    })
  }

  /** Of the page. */
  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /**
   * Calls an exported function of a module of the sources, with arguments in JSON; resolves with its text, or rejects
   * with its error.
   */
  async run(module: string, name: string, ...args: unknown[]): Promise<string> {
    const call = `module[${JSON.stringify(name)}](...${JSON.stringify(args)})`
    this.#html = `<!doctype html><script type="importmap">${JSON.stringify(IMPORTS)}</script><script type="module">
const tell = (text) => fetch('/result', { method: 'POST', body: text })
import(${JSON.stringify(module)}).then((module) => ${call}).then(tell, (error) => tell(String(error)))
</script>`
    const result = new Promise<string>((resolve) => {
      this.#tell = resolve
    })
    const profile = await mkdtemp(join(tmpdir(), 'epaxos-chromium-'))
    const child = start(`${this.origin}/`, profile)
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    try {
      return await Promise.race([result, ended.then(() => `${chromium} ended without a result`)])
    } finally {
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
        process.kill(-child.pid, 'SIGKILL')
      }
      await ended
      await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    }
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? '/'
    if (url === '/') response.writeHead(200, { 'content-type': 'text/html' }).end(this.#html)
    else if (/^\/(src|test)\/[\w/-]+\.ts$/.test(url)) {
      const { code } = await transform(await readFile(join(root, url), 'utf8'), { loader: 'ts', target: 'es2022' })
      response.writeHead(200, { 'content-type': 'text/javascript' }).end(code)
    } else if (/^\/node_modules\/flatbuffers\/mjs\/[\w/-]+\.js$/.test(url)) {
      response.writeHead(200, { 'content-type': 'text/javascript' }).end(await readFile(join(root, url)))
    } else if (url === '/result') {
      let text = ''
      for await (const chunk of request) text += chunk
      response.writeHead(204).end()
      this.#tell(text)
    } else response.writeHead(404).end()
  }
}

/** Runs in a process group of its own, so that all processes of the browser can be ended. */
function start(url: string, profile: string): ChildProcess {
  const options = [...FLAGS, `user-data-dir=${profile}`].map((flag) => `--${flag}`)
  return spawn(chromium, [...options, url], { stdio: 'ignore', detached: true })
}
