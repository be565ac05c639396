import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type ClientMessage,
  ClientMessageType,
  decodeFromClient,
  decodeFromServer,
  encodeChallenge,
  encodeDone,
  encodeHello,
  encodeNotDone,
  encodeRequest,
  encodeWelcome,
  type Request,
  type Response,
  ResponseOutcome,
} from '../../src/codec/client.ts'
import { frame } from '../../src/codec/frame.ts'
import { MAX_GROUP_BYTES, MAX_MESSAGE_BYTES, MAX_RESULTS_BYTES, MAX_TOKEN_BYTES } from '../../src/codec/limits.ts'
import { EpaxosError } from '../../src/errors.ts'
import { buildHotClient } from '../support/builders.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { clientMessage, clientTypes, encodeClient } from './samples.ts'

const test = suite('client messages')
const seed = freshSeed()

function fromServer(bytes: Uint8Array): ClientMessage[] {
  const messages: ClientMessage[] = []
  decodeFromServer(bytes, (each) => messages.push(each))
  return messages
}

function fromClient(bytes: Uint8Array): ClientMessage[] {
  const messages: ClientMessage[] = []
  decodeFromClient(bytes, (each) => messages.push(each))
  return messages
}

const isByClient = (type: ClientMessageType) => type === ClientMessageType.request || type === ClientMessageType.hello
const refused = (code: string) => (error: unknown) => error instanceof EpaxosError && error.code === code

for (const [name, type] of clientTypes) {
  test(`a ${name} comes back as it was, and only from the side that sends it`, () => {
    const random = new Random(seed)
    const [right, wrong] = isByClient(type) ? [fromClient, fromServer] : [fromServer, fromClient]
    for (let round = 0; round < 200; round++) {
      const sample = clientMessage(random, type)
      const encoded = encodeClient(sample)
      const moved = Buffer.alloc(encoded.length + 3).subarray(round % 4, (round % 4) + encoded.length)
      moved.set(encoded)
      assert.equal(right(moved), [sample], `EPAXOS_SEED=${seed}, round ${round}`)
      assert.throws(() => wrong(encoded), refused('malformed'))
    }
    volume(`round trips ${name}`, 200)
  })
}

test('requests and results are read in place: the bytes are those of the frame', () => {
  const group = Uint8Array.of(1, 2, 3)
  const bytes = encodeRequest(7, group)
  decodeFromClient(bytes, (message) => assert.is((message as Request).group.buffer, bytes.buffer))
  const done = encodeDone(7, group)
  decodeFromServer(done, (message) => assert.is((message as Response).results.buffer, done.buffer))
})

test('requests and responses are read in the layout of a builder too', () => {
  const random = new Random(seed)
  for (let round = 0; round < 200; round++) {
    const request = clientMessage(random, ClientMessageType.request) as Request
    assert.equal(fromClient(buildHotClient(request)), [request], `EPAXOS_SEED=${seed}`)
    const done = { ...clientMessage(random, ClientMessageType.response), code: '', message: '' } as Response
    if (done.outcome === ResponseOutcome.done)
      assert.equal(fromServer(buildHotClient(done)), [done], `EPAXOS_SEED=${seed}`)
  }
})

test('many pipelined messages share a frame', () => {
  const random = new Random(seed)
  const samples = Array.from({ length: 1000 }, () => clientMessage(random, ClientMessageType.response))
  assert.equal(fromServer(frame(samples.map(encodeClient))), samples, `EPAXOS_SEED=${seed}`)
})

test('a long explanation is cut between two characters', () => {
  const [read] = fromServer(encodeNotDone(1, 'refused', 'busy', `x${'ö'.repeat(MAX_MESSAGE_BYTES)}`)) as [Response]
  assert.is(read.message, `x${'ö'.repeat((MAX_MESSAGE_BYTES - 2) / 2)}`)
})

test('what is beyond a limit is not encoded, and what is at it is', () => {
  const nothing = new Uint8Array(0)
  assert.throws(() => encodeRequest(1, new Uint8Array(MAX_GROUP_BYTES + 1)), refused('too_large'))
  assert.throws(() => encodeDone(1, new Uint8Array(MAX_RESULTS_BYTES + 1)), refused('too_large'))
  const longToken = 'x'.repeat(MAX_TOKEN_BYTES + 1)
  assert.throws(() => encodeRequest(1, nothing, { consistency: 'min', min: longToken }), refused('too_large'))
  assert.throws(() => encodeDone(1, nothing, longToken), refused('too_large'))
  assert.throws(() => encodeHello({ version: 1, proof: new Uint8Array(65) }), refused('too_large'))
  assert.throws(() => encodeChallenge({ nonce: new Uint8Array(33), needsSecret: true }), refused('too_large'))
  assert.throws(
    () => encodeWelcome({ version: 1, id: 0, epoch: 0, leaving: false, clusterId: 'c', clientUrls: ['x'.repeat(257)] }),
    refused('too_large'),
  )
  assert.throws(
    () =>
      encodeWelcome({
        version: 1,
        id: 0,
        epoch: 0,
        leaving: false,
        clusterId: 'c',
        clientUrls: new Array(17).fill(''),
      }),
    refused('too_large'),
  )
  assert.is((fromClient(encodeRequest(1, new Uint8Array(MAX_GROUP_BYTES)))[0] as Request).group.length, MAX_GROUP_BYTES)
  assert.is(
    (fromServer(encodeDone(1, new Uint8Array(MAX_RESULTS_BYTES)))[0] as Response).results.length,
    MAX_RESULTS_BYTES,
  )
  assert.equal(fromClient(encodeRequest(1, nothing, { consistency: 'stale' })), [
    { type: 4, id: 1, group: nothing, consistency: 'stale', min: '', tokens: false },
  ])
  assert.throws(
    () => fromServer(encodeChallenge({ nonce: new Uint8Array(31), needsSecret: true })),
    refused('malformed'),
  )
})

test.run()
