import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Cli, killAllCli, PROGRAM, runCli } from '../support/cli.ts'
import { freePorts } from '../support/ports.ts'

const test = suite('epaxos put, get, del, incr, cas')

test.after(killAllCli)

/** Runs `body` with the URL of a server that gives this answer. */
async function withServer(
  answer: (response: ServerResponse) => void,
  body: (url: string) => Promise<void>,
): Promise<void> {
  const server: Server = createServer((request, response) => {
    request.resume().once('end', () => answer(response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await body(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const COMMANDS = [
  ['put', 'k', 'v'],
  ['get', 'k'],
  ['del', 'k'],
  ['incr', 'k'],
  ['cas', 'k', 'a', 'b'],
]

/** The exit codes of all five commands, and their output. */
async function runAll(url: string, ...more: string[]): Promise<{ codes: (number | null)[]; said: string[] }> {
  const results = await Promise.all(COMMANDS.map((command) => runCli([...command, '--url', url, ...more])))
  for (const { stdout } of results) assert.is(stdout, '')
  return { codes: results.map(({ code }) => code), said: results.map(({ stderr }) => stderr) }
}

function failing(status: number, code: string): (response: ServerResponse) => void {
  return (response) =>
    response.writeHead(status).end(JSON.stringify({ error: { code, message: `because of ${code}` } }))
}

test('each status of an answer has its exit code, and the reason is said', async () => {
  for (const [status, exit] of [
    [400, 2],
    [401, 4],
    [404, 1],
    [409, 1],
    [413, 2],
    [429, 4],
    [503, 4],
    [504, 3],
  ] as const) {
    await withServer(failing(status, `code_${status}`), async (url) => {
      const { codes, said } = await runAll(url)
      assert.equal(codes, [exit, exit, exit, exit, exit], `status ${status}`)
      for (const text of said) assert.match(text, new RegExp(`because of code_${status} \\(code_${status}\\)`))
    })
  }
})

test('nobody there is 4: certainly not done', async () => {
  const [port] = await freePorts(1)
  const { codes, said } = await runAll(`http://127.0.0.1:${port}`)
  assert.equal(codes, [4, 4, 4, 4, 4])
  for (const text of said) assert.match(text, /cannot be reached/)
})

test('a connection that breaks before the answer, or no answer in time, is 3: it may be done', async () => {
  await withServer(
    (response) => response.socket?.destroy(),
    async (url) => assert.equal((await runAll(url)).codes, [3, 3, 3, 3, 3]),
  )
  await withServer(
    () => {},
    async (url) => {
      const { codes, said } = await runAll(url, '--timeout-ms', '1000')
      assert.equal(codes, [3, 3, 3, 3, 3])
      for (const text of said) assert.match(text, /no answer within 1000 ms/)
    },
  )
})

test('wrong usage is 2', async () => {
  const wrong = [
    ['put', 'k'],
    ['put', 'k', 'v', 'w'],
    ['get'],
    ['get', ''],
    ['del'],
    ['incr', 'k', 'x'],
    ['incr', 'k', '9007199254740993'],
    ['cas', 'k', 'v'],
    ['get', 'k', '--url', 'ftp://x'],
    ['get', 'k', '--url', '127.0.0.1:7001'],
    ['get', 'k', '--url', 'http://name:word@127.0.0.1:7001'],
    ['get', 'k', '--url', 'http://127.0.0.1:7001?x'],
    ['get', 'k', '--url', 'http://127.0.0.1:7001/kv'],
    ['--version', 'x'],
    ['help', 'nonsense'],
    ['status', 'x'],
    ['nonsense'],
    [],
  ]
  const results = await Promise.all(wrong.map((args) => runCli(args)))
  results.forEach(({ code, stdout, stderr }, i) => {
    assert.is(code, 2, String(wrong[i]))
    assert.is(stdout, '')
    assert.not.match(stderr, /\n {4}at /)
  })
})

test('an argument that is not UTF-8 is refused with 2, by its place: two keys never become one', async () => {
  const [port] = await freePorts(1)
  const url = `http://127.0.0.1:${port}`
  const cases = [
    [`put $'k\\xff' v`, /argument 1 \(KEY\) is not UTF-8/],
    [`put k $'\\xe4'`, /argument 2 \(VALUE\) is not UTF-8/],
    [`get $'\\xed\\xa0\\x80'`, /argument 1 \(KEY\) is not UTF-8/],
    [`cas k $'a\\xc0\\x80' b`, /argument 2 \(OLD\) is not UTF-8/],
    [`put -- k $'-\\x80'`, /argument 2 \(VALUE\) is not UTF-8/],
    [`get k --secret-file $'\\xff'`, /--secret-file is not UTF-8/],
  ] as const
  for (const [line, why] of cases) {
    const [word, ...rest] = line.split(' ')
    const script = `exec ${process.execPath} ${PROGRAM} ${word} --url ${url} ${rest.join(' ')}`
    const shell = new Cli(['-c', script], {}, ['bash'])
    const { code, stdout, stderr } = await shell.exited()
    assert.equal([code, stdout], [2, ''], line)
    assert.match(stderr, why)
  }
})

test('a secret of any characters goes out as its UTF-8', async () => {
  let authorization = ''
  await withServer(
    (response) => {
      authorization = response.req.headers.authorization ?? ''
      response.writeHead(204).end()
    },
    async (url) => {
      assert.is((await runCli(['put', 'k', 'v', '--url', url], { env: { EPAXOS_SECRET: 'ключ к ней' } })).code, 0)
    },
  )
  assert.is(Buffer.from(authorization, 'latin1').toString(), 'Bearer ключ к ней')
})

test('--version and --help, of all and of each', async () => {
  const [version, help, ...each] = await Promise.all([
    runCli(['--version']),
    runCli(['--help']),
    ...[
      'cluster',
      'replica',
      ...COMMANDS.map(([name]) => name as string),
      'status',
      'members',
      'inspect',
      'demo',
      'bench',
    ].map((name) => runCli([name, '--help'])),
  ])
  assert.match((version as { stdout: string }).stdout, /^\d+\.\d+\.\d+\n$/)
  for (const result of [version, help, ...each]) assert.is(result?.code, 0)
  for (const { stdout } of each) {
    assert.match(
      (help as { stdout: string }).stdout,
      new RegExp(`^ {2}${/^Usage: epaxos (\w+)/.exec(stdout)?.[1]}`, 'm'),
    )
    assert.match(stdout, /Examples:\n {2}\S/)
  }
  assert.not.match((help as { stdout: string }).stdout, /demo-replica/)
})

test.run()
