import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { quiet } from '../../src/cli/command.ts'
import { type Arguments, addFlags, shielded } from '../../src/cli/settings/arguments.ts'
import { choice, decimal, type Flags, integer, list, text, toggle, variableName } from '../../src/cli/settings/flag.ts'
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

function argumentsOf(flags: Flags, args: readonly string[]): Arguments {
  const parser = quiet(new Command('test'), '').argument('[REST...]')
  const given = addFlags(parser, flags)
  parser.parse(shielded(args), { from: 'user' })
  return given()
}

function read(args: readonly string[], environment: Environment = {}) {
  return readSettings(flags, argumentsOf(flags, args), environment, variables)
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

test('a value begins with a dash only where it cannot be taken for a flag', () => {
  refused(
    () => read(['--data', '--id', '1']),
    /^--data has no value, or one that begins with a dash: then write --data=--id$/,
  )
  refused(() => read(['--data', '-x']), /^--data has no value/)
  assert.is(read(['--data=-x']).settings.data, '-x')
  assert.is(read(['--data=--id']).settings.data, '--id')
  assert.is(read(['--data', '-5']).settings.data, '-5')
})

test('unknown flags and keys are refused by name, unknown variables of our prefix are warned of', () => {
  refused(() => read(['--nonsense']), /^unknown option '--nonsense'$/)
  refused(() => read(['-x']), /'-x'/)
  const warning = 'unknown environment variable EPAXOS_NONSENSE: ignored'
  assert.equal(read([], { EPAXOS_NONSENSE: '1' }).warnings, [warning])
  refused(() => withFile({ nonsense: 1 }), /unknown key "nonsense" in /)
  refused(() => withFile({ config: 'x' }), /unknown key "config"/)
  assert.equal(read([], { EPAXOS_OTHER: '1', NONSENSE: '1' }).warnings, [])
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
  refused(() => withFile({ durability: { a: 1 } }), /is a string/)
  refused(() => withFile({ id: [1, 2] }), /is a number/)
  refused(() => withFile({ id: null }), /is a number/)
  refused(() => read(['--peers', 'a:1,,b:2']), /^--peers has an empty element/)
  refused(() => read(['--fast=no']), /--fast/)
})

test('the variables that Kubernetes sets for services of our name are neither read nor warned of', () => {
  const ports = { clientPort: integer('PORT', '', { min: 1 }, 7001), peerPort: integer('PORT', '', { min: 1 }, 7101) }
  const known = new Set(Object.keys(ports).map(variableName))
  const services = ['EPAXOS', 'EPAXOS_CLIENT', 'EPAXOS_PEER', 'EPAXOS_0', 'EPAXOS_EU_WEST']
  const environment = Object.fromEntries(
    services.flatMap((service) => [
      [`${service}_SERVICE_HOST`, '10.0.0.1'],
      [`${service}_SERVICE_PORT`, '7001'],
      [`${service}_SERVICE_PORT_HTTP`, '7001'],
      [`${service}_PORT`, 'tcp://10.0.0.1:7001'],
      [`${service}_PORT_7001_TCP`, 'tcp://10.0.0.1:7001'],
      [`${service}_PORT_7001_TCP_PROTO`, 'tcp'],
      [`${service}_PORT_7001_TCP_PORT`, '7001'],
      [`${service}_PORT_7001_TCP_ADDR`, '10.0.0.1'],
      [`${service}_PORT_53_UDP`, 'udp://10.0.0.1:53'],
    ]),
  )
  const { settings, warnings, origins } = readSettings(ports, argumentsOf(ports, []), environment, known)
  assert.equal(warnings, [])
  assert.equal([settings.clientPort, settings.peerPort, origins.size], [7001, 7101, 0])
  const own = readSettings(ports, argumentsOf(ports, []), { ...environment, EPAXOS_CLIENT_PORT: '8001' }, known)
  assert.is(own.settings.clientPort, 8001)
  refused(
    () => readSettings(ports, argumentsOf(ports, []), { EPAXOS_CLIENT_PORT: 'tcp' }, known),
    /^EPAXOS_CLIENT_PORT is a whole number/,
  )
  const { warnings: others } = readSettings(
    ports,
    argumentsOf(ports, []),
    { EPAXOS_PORT: '7001', EPAXOS_SERVICES: 'x' },
    known,
  )
  assert.is(others.length, 2)
})

test('what is not UTF-8 is refused, saying where', () => {
  refused(() => read(['--data', 'a\uFFFD']), /^--data is not UTF-8/)
  refused(() => read(['--peers', 'a:1,b\uD800:2']), /^--peers is not UTF-8/)
  refused(() => read([], { EPAXOS_DATA: '\uFFFD' }), /^EPAXOS_DATA is not UTF-8/)
  const latin1 = join(folder, 'latin1')
  writeFileSync(latin1, Buffer.from('{"data": "\xe4"}', 'latin1'))
  refused(() => read(['--config', latin1]), /^--config: .*latin1 is not UTF-8$/)
  assert.is(withFile({ data: '\uFFFD' }).settings.data, '\uFFFD')
})

test('a file holds each setting in its own kind of value', () => {
  refused(() => read(['--config', fileOf('{"data": 1.10}')]), /^"data" in .* is a string$/)
  refused(() => withFile({ data: true }), /^"data" in .* is a string$/)
  refused(() => withFile({ peers: ['a:1', 2] }), /^"peers" in .* is a string, or an array of such$/)
  refused(() => withFile({ fast: 1 }), /^"fast" in .* is a boolean/)
  refused(() => withFile({ fast: 'yes' }), /is true or false, not yes/)
  refused(() => withFile({ id: true }), /^"id" in .* is a number/)
  refused(() => withFile({ id: ' 7 ' }), /is a whole number from 0 to 9, not " 7 "/)
  refused(() => withFile({ requestTimeoutMs: 1e21 }), /not 1e\+21/)
  assert.is(withFile({ id: '3', fast: 'false' }).settings.id, 3)
})

test('no text but a plain decimal number is a number', () => {
  for (const text of ['1e3', '0x10', ' 7', '7 ', '+7', '-7', '7.', '.7', '7_0', '７', '', '1,5', 'NaN', 'Infinity']) {
    refused(
      () => read(['--request-timeout-ms', text.replace(/^-/, '\u2212')]),
      /^--request-timeout-ms is a whole number/,
    )
    refused(() => read([], { EPAXOS_PERCENT: text }), /^EPAXOS_PERCENT is a number/)
  }
})

test('what is said twice at once is refused', () => {
  refused(() => read(['--id', '1', '--id', '1']), /^--id is given more than once/)
  refused(() => read(['--fast', '--no-fast']), /^--fast is given more than once/)
  refused(() => read(['--id']), /--id/)
  refused(() => read(['--config', 'a', '--config', 'b']), /--config is given more than once/)
  refused(() => withFile({ requestTimeoutMs: 1, 'request-timeout-ms': 2 }), /"requestTimeoutMs" occurs twice/)
  refused(() => read(['--config', fileOf('{"id": 1, "id": 2}')]), /^"id" occurs twice in /)
  refused(() => read(['--config', fileOf('{"id": 1, "\\u0069d": 1}')]), /^"id" occurs twice in /)
})

test('a file that is not a JSON object is refused', () => {
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
  refused(() => read(['--secret', 'x']), /unknown option '--secret'/)
})

test('a secret file holds one line, and only its end is left out', () => {
  const secretOf = (content: string | Buffer) => {
    const path = join(folder, String(files++))
    writeFileSync(path, content)
    return readSecret(read(['--secret-file', path]))
  }
  assert.is(secretOf('two words'), 'two words')
  assert.is(secretOf('two words\n'), 'two words')
  assert.is(secretOf('two words\r\n'), 'two words')
  for (const content of ['a secret \n', ' a secret', 'a secret\n\n', '\tsecret']) {
    refused(() => secretOf(content), /^--secret-file: the secret begins or ends with white space$/)
  }
  refused(() => secretOf(''), /^--secret-file: the secret is empty$/)
  refused(() => secretOf('\n'), /^--secret-file: the secret is empty$/)
  refused(() => secretOf('one\ntwo'), /^--secret-file: the secret is one line/)
  refused(() => secretOf('nul\0'), /^--secret-file: the secret is one line/)
  refused(() => secretOf(Buffer.from([0x61, 0xff, 0x62])), /^--secret-file: .* is not UTF-8$/)
  refused(() => readSecret(read([], { EPAXOS_SECRET: 'a secret ' })), /^EPAXOS_SECRET: the secret begins or ends/)
})

test.run()
