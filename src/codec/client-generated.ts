import * as flatbuffers from 'flatbuffers'
import { built, flagOf, isThere, oneOf } from './accessors.ts'
import {
  type Challenge,
  type ClientMessage,
  ClientMessageType,
  CONSISTENCIES,
  type Consistency,
  type Hello,
  type Request,
  type Response,
  ResponseOutcome,
  type Welcome,
} from './client-messages.ts'
import { Challenge as ChallengeBody } from './generated/client/challenge.ts'
import { ClientMessage as Root } from './generated/client/client-message.ts'
import { Hello as HelloBody } from './generated/client/hello.ts'
import { Request as RequestBody } from './generated/client/request.ts'
import { Response as ResponseBody } from './generated/client/response.ts'
import { Welcome as WelcomeBody } from './generated/client/welcome.ts'
import {
  MAX_CLUSTER_ID_BYTES,
  MAX_CODE_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_PROOF_BYTES,
  MAX_REPLICAS,
  MAX_TOKEN_BYTES,
  MAX_URL_BYTES,
  NONCE_BYTES,
} from './limits.ts'
import { malformed, tooLarge } from './malformed.ts'

/**
 * Reads every client message in any valid layout, through the generated accessors, and builds the messages that are not
 * hot.
 */

const NO_BYTES = new Uint8Array(0)
const encoder = new TextEncoder()

/**
 * The message. The bytes must be verified against the schema; this checks what a schema cannot say. Throws `malformed`.
 */
export function readGenerated(flatbuffer: Uint8Array): ClientMessage {
  const root = Root.getRootAsClientMessage(new flatbuffers.ByteBuffer(flatbuffer))
  switch (root.bodyType()) {
    case ClientMessageType.challenge:
      return challengeOf(root.body(new ChallengeBody()))
    case ClientMessageType.hello: {
      const body: HelloBody = root.body(new HelloBody())
      return {
        type: ClientMessageType.hello,
        version: body.version(),
        proof: (body.proofArray() as Uint8Array).slice(),
        clusterId: body.clusterId() ?? '',
      }
    }
    case ClientMessageType.welcome:
      return welcomeOf(root.body(new WelcomeBody()))
    case ClientMessageType.request: {
      const body: RequestBody = root.body(new RequestBody())
      return {
        type: ClientMessageType.request,
        id: body.id(),
        group: body.groupArray() as Uint8Array,
        consistency: consistencyOf(body.consistency()),
        min: tokenOf(body.minArray()),
        tokens: flagOf(body, 12, 'tokens'),
      }
    }
    case ClientMessageType.response:
      return responseOf(root.body(new ResponseBody()))
    default:
      throw malformed(`type ${root.bodyType()}`)
  }
}

function challengeOf(body: ChallengeBody): Challenge {
  const nonce = (body.nonceArray() as Uint8Array).slice()
  if (nonce.length !== NONCE_BYTES) throw malformed(`a nonce of ${nonce.length} bytes`)
  return { type: ClientMessageType.challenge, nonce, needsSecret: flagOf(body, 6, 'needsSecret') }
}

function welcomeOf(body: WelcomeBody): Welcome {
  const clientUrls = Array.from({ length: body.clientUrlsLength() }, (_, row) => body.clientUrls(row) as string)
  const clusterId = body.clusterId() as string
  if (clusterId === '') throw malformed('a welcome names its cluster')
  const [version, id, epoch] = [body.version(), body.id(), body.epoch()]
  const leaving = flagOf(body, 14, 'leaving')
  return { type: ClientMessageType.welcome, version, id, clientUrls, clusterId, epoch, leaving }
}

function responseOf(body: ResponseBody): Response {
  const outcome = oneOf(ResponseOutcome, body.outcome(), 'outcome')
  const hasResults = isThere(body, 6)
  if (hasResults !== (outcome === ResponseOutcome.done)) throw malformed('results belong to what is done')
  return {
    type: ClientMessageType.response,
    id: body.id(),
    outcome,
    code: body.code() ?? '',
    message: body.message() ?? '',
    results: hasResults ? (body.resultsArray() as Uint8Array) : NO_BYTES,
    token: tokenOf(body.tokenArray()),
    ageMs: body.ageMs() === UNKNOWN_AGE ? null : body.ageMs(),
  }
}

/** Of a response: the age is unknown, or has no meaning. */
export const UNKNOWN_AGE = 0xffff_ffff

function consistencyOf(value: number): Consistency {
  const consistency = CONSISTENCIES[value]
  if (consistency === undefined) throw malformed(`consistency ${value}`)
  return consistency
}

function tokenOf(bytes: Uint8Array | null): string {
  return bytes === null ? '' : textOf(bytes)
}

/** One character for each byte. */
export function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}

/** Throws `too_large`, also for a token that is not ASCII. */
export function asciiOf(token: string): Uint8Array {
  return within(encoder.encode(token), MAX_TOKEN_BYTES, 'bytes of a token')
}

/** The message with its size in front. Throws `too_large`. */
export function buildHandshake(message: Challenge | Hello | Welcome): Uint8Array {
  if (message.type === ClientMessageType.challenge) {
    return sized(message.type, (builder) => {
      const nonce = builder.createByteVector(within(message.nonce, NONCE_BYTES, 'bytes of a nonce'))
      return ChallengeBody.createChallenge(builder, nonce, message.needsSecret)
    })
  }
  if (message.type === ClientMessageType.hello) {
    return sized(message.type, (builder) => {
      const proof = builder.createByteVector(within(message.proof, MAX_PROOF_BYTES, 'bytes of a proof'))
      const clusterId = message.clusterId === '' ? 0 : clusterIdIn(builder, message.clusterId)
      HelloBody.startHello(builder)
      HelloBody.addVersion(builder, message.version)
      HelloBody.addProof(builder, proof)
      HelloBody.addClusterId(builder, clusterId)
      return HelloBody.endHello(builder)
    })
  }
  return sized(message.type, (builder) => {
    if (message.clientUrls.length > MAX_REPLICAS) throw tooLarge('replicas', message.clientUrls.length, MAX_REPLICAS)
    const urls = message.clientUrls.map((url) => {
      return builder.createString(within(encoder.encode(url), MAX_URL_BYTES, 'bytes of a URL'))
    })
    const vector = WelcomeBody.createClientUrlsVector(builder, urls)
    const clusterId = clusterIdIn(builder, message.clusterId)
    const { version, id, epoch, leaving } = message
    return WelcomeBody.createWelcome(builder, version, id, vector, clusterId, epoch, leaving)
  })
}

function clusterIdIn(builder: flatbuffers.Builder, clusterId: string): flatbuffers.Offset {
  return builder.createString(within(encoder.encode(clusterId), MAX_CLUSTER_ID_BYTES, 'bytes of a cluster id'))
}

/** A request in any form, with its size in front. */
export function buildRequest({ type, id, group, consistency, min, tokens }: Request): Uint8Array {
  return sized(type, (builder) => {
    const minimum = min === '' ? 0 : builder.createByteVector(asciiOf(min))
    const bytes = builder.createByteVector(group)
    RequestBody.startRequest(builder)
    RequestBody.addId(builder, id)
    RequestBody.addGroup(builder, bytes)
    RequestBody.addConsistency(builder, CONSISTENCIES.indexOf(consistency))
    RequestBody.addMin(builder, minimum)
    RequestBody.addTokens(builder, tokens)
    return RequestBody.endRequest(builder)
  })
}

/** A response without results, with its size in front. */
export function buildRefusal(message: Response): Uint8Array {
  return sized(message.type, (builder) => {
    const code = builder.createString(cut(message.code, MAX_CODE_BYTES))
    const text = builder.createString(cut(message.message, MAX_MESSAGE_BYTES))
    ResponseBody.startResponse(builder)
    ResponseBody.addId(builder, message.id)
    ResponseBody.addOutcome(builder, message.outcome)
    ResponseBody.addCode(builder, code)
    ResponseBody.addMessage(builder, text)
    return ResponseBody.endResponse(builder)
  })
}

function sized(type: ClientMessageType, buildBody: (builder: flatbuffers.Builder) => flatbuffers.Offset): Uint8Array {
  return built((builder) => {
    const body = buildBody(builder)
    Root.finishSizePrefixedClientMessageBuffer(builder, Root.createClientMessage(builder, type, body))
  }).slice()
}

function within(bytes: Uint8Array, limit: number, what: string): Uint8Array {
  if (bytes.length > limit) throw tooLarge(what, bytes.length, limit)
  return bytes
}

/** The text as UTF-8, cut to at most `limit` bytes, never within a character. */
function cut(text: string, limit: number): Uint8Array {
  const bytes = encoder.encode(text)
  if (bytes.length <= limit) return bytes
  let end = limit
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}
