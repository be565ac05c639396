import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { choice, decimal, integer, list, text, toggle, variableName } from '../../src/cli/settings/flag.ts'
import { type Environment, readSettings } from '../../src/cli/settings/read.ts'
import { readSecret, secretFlags } from '../../src/cli/settings/secret.ts'

const test = suite('settings')

const flags = {
  id: integer('I', '', { min: 0, max: 9 }),
  requestTimeoutMs: integer('MS', '', { min: 1 }, 2000),
  percent: decimal('P', '', { min: 0, max: 100 }, 0),
  durability: choice(['fsync', 'memory'], '', 'fsync'),
  peers: list('P', ''),
  data: text('DIR', ''),
  fast: toggle('', true),
  ...secretFlags,
}
const variables = new Set([...Object.keys(flags).map(variableName), 'EPAXOS_OTHER'])
const folder = mkdtempSync(join(tmpdir(), 'epaxos-settings-'))
let files = 0

test.after(() => rmSync(folder, { recursive: true }))

function read(args: readonly string[], environment: Environment = {}) {
  return readSettings(flags, args, environment, variables)
}

function fileOf(content: string): string {
  const path = join(folder, String(files++))
  writeFileSync(path, content)
  return path
}

function withFile(content: unknown, args: readonly string[] = [], environment: Environment = {}) {
  return read(['--config', fileOf(JSON.stringify(content)), ...args], environment)
}

function refused(act: () => unknown, message: RegExp): void {
  assert.throws(act, (error: { code: string; message: string }) => {
    assert.is(error.code, 'configuration')
    assert.match(error.message, message)
    return true
  })
}

test('what nobody says has its fallback', () => {
  const { settings, positionals } = read([])
  assert.is(settings.id, undefined)
  assert.is(settings.requestTimeoutMs, 2000)
  assert.is(settings.fast, true)
  assert.equal(settings.peers, [])
  assert.equal(positionals, [])
})

test('a flag beats the environment beats the file, each alone is taken', () => {
  const environment = { EPAXOS_REQUEST_TIMEOUT_MS: '200' }
  const file = { requestTimeoutMs: 300 }
  assert.is(withFile(file, ['--request-timeout-ms', '100'], environment).settings.requestTimeoutMs, 100)
  assert.is(withFile(file, [], environment).settings.requestTimeoutMs, 200)
  assert.is(withFile(file).settings.requestTimeoutMs, 300)
  assert.is(withFile({ 'request-timeout-ms': 300 }).settings.requestTimeoutMs, 300)
})

test('every kind is read from all three', () => {
  const expected = { id: 3, percent: 2.5, durability: 'memory', peers: ['a:1', 'b:2'], data: '007', fast: false }
  const args = '--id 3 --percent 2.5 --durability memory --peers a:1,b:2 --data 007 --no-fast'.split(' ')
  const environment = {
    EPAXOS_ID: '3',
    EPAXOS_PERCENT: '2.5',
    EPAXOS_DURABILITY: 'memory',
    EPAXOS_PEERS: 'a:1,b:2',
    EPAXOS_DATA: '007',
    EPAXOS_FAST: 'false',
  }
  for (const { settings } of [read(args), read([], environment), withFile(expected)]) {
    for (const [name, value] of Object.entries(expected)) assert.equal(settings[name as keyof typeof expected], value)
  }
  assert.equal(read(['--peers', 'a:1', '--peers=b:2']).settings.peers, ['a:1', 'b:2'])
})

test('numbers below zero are arguments, and what follows -- is', () => {
  const { positionals, settings } = read(['key', '-5', '--id', '1', '--', '--data', '-x'])
  assert.equal(positionals, ['key', '-5', '--data', '-x'])
  assert.is(settings.id, 1)
})

test('unknown flags, variables and keys are refused by name', () => {
  refused(() => read(['--nonsense']), /Unknown option '--nonsense'$/)
  refused(() => read(['-x']), /'-x'/)
  refused(() => read([], { EPAXOS_NONSENSE: '1' }), /unknown environment variable EPAXOS_NONSENSE/)
  refused(() => withFile({ nonsense: 1 }), /unknown key "nonsense" in /)
  refused(() => withFile({ config: 'x' }), /unknown key "config"/)
  assert.is(read([], { EPAXOS_OTHER: '1', NONSENSE: '1' }).settings.id, undefined)
})

test('wrong values are refused, saying where and why', () => {
  refused(() => read(['--id', '10']), /^--id is a whole number from 0 to 9, not 10$/)
  refused(() => read(['--id', '1.5']), /not 1\.5/)
  refused(() => read(['--id', '-1']), /not -1/)
  refused(() => read(['--id', '']), /^--id/)
  refused(() => read(['--id', '0x1']), /not 0x1/)
  refused(() => read(['--percent', '101']), /^--percent is a number from 0 to 100/)
  refused(() => read([], { EPAXOS_DURABILITY: 'disk' }), /^EPAXOS_DURABILITY is fsync or memory, not disk$/)
  refused(() => read([], { EPAXOS_DATA: '' }), /^EPAXOS_DATA must not be empty/)
  refused(() => withFile({ durability: 'disk' }), /^"durability" in .* is fsync or memory/)
  refused(() => withFile({ durability: { a: 1 } }), /is a text or a number/)
  refused(() => withFile({ id: [1, 2] }), /is a text or a number/)
  refused(() => withFile({ id: null }), /is a text or a number/)
  refused(() => read(['--peers', 'a:1,,b:2']), /^--peers has an empty element/)
  refused(() => read(['--fast=no']), /--fast/)
})

test('what is said twice at once is refused', () => {
  refused(() => read(['--id', '1', '--id', '1']), /^--id is given more than once/)
  refused(() => read(['--fast', '--no-fast']), /^--fast is given more than once/)
  refused(() => read(['--id']), /--id/)
  refused(() => read(['--config', 'a', '--config', 'b']), /--config is given more than once/)
  refused(() => withFile({ requestTimeoutMs: 1, 'request-timeout-ms': 2 }), /"requestTimeoutMs" stands twice/)
})

test('a file that is no JSON object is refused', () => {
  refused(() => read(['--config', join(folder, 'absent')]), /ENOENT/)
  for (const content of ['{', '[]', 'null', '3']) refused(() => read(['--config', fileOf(content)]), /--config/)
})

test('the secret comes from its file or its variable, whichever beats the other, and is no flag', () => {
  const file = fileOf('from the file\n')
  assert.is(readSecret(read([])), undefined)
  assert.is(readSecret(read(['--secret-file', file])), 'from the file')
  assert.is(readSecret(read([], { EPAXOS_SECRET: 'variable' })), 'variable')
  assert.is(readSecret(read(['--secret-file', file], { EPAXOS_SECRET: 'variable' })), 'from the file')
  assert.is(readSecret(withFile({ secretFile: file }, [], { EPAXOS_SECRET: 'variable' })), 'variable')
  refused(() => readSecret(read([], { EPAXOS_SECRET: 'a', EPAXOS_SECRET_FILE: file })), /are given both/)
  refused(() => readSecret(read(['--secret-file', join(folder, 'absent')])), /^--secret-file: ENOENT/)
  refused(() => read(['--secret', 'x']), /Unknown option '--secret'/)
})

test.run()
