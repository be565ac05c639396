/**
 * The client protocol (schemas/client.fbs), for the server and for clients in Node and browsers. Messages share frames,
 * as between replicas: `frame(parts)`.
 */
export const ClientMessageType = { challenge: 1, hello: 2, welcome: 3, request: 4, response: 5 } as const
export type ClientMessageType = (typeof ClientMessageType)[keyof typeof ClientMessageType]

/** Of a response: done, certainly not done, or maybe done. */
export const ResponseOutcome = { done: 0, refused: 1, unknown: 2 } as const
export type ResponseOutcome = (typeof ResponseOutcome)[keyof typeof ResponseOutcome]

/** The first message of the server. */
export interface Challenge {
  readonly type: typeof ClientMessageType.challenge
  readonly nonce: Uint8Array
  readonly needsSecret: boolean
}

/**
 * The client's answer. `proof` is empty if no secret is needed, `clusterId` is empty if the client belongs to no
 * cluster yet.
 */
export interface Hello {
  readonly type: typeof ClientMessageType.hello
  readonly version: number
  readonly proof: Uint8Array
  readonly clusterId: string
}

/**
 * The client is admitted; comes again whenever the URLs have changed. `clientUrls` are those of the members of the
 * epoch, by row; unknown ones are empty. `clusterId` is never empty. `leaving`: the replica is no member any more, and
 * the client uses another one.
 */
export interface Welcome {
  readonly type: typeof ClientMessageType.welcome
  readonly version: number
  readonly id: number
  readonly clientUrls: readonly string[]
  readonly clusterId: string
  readonly epoch: number
  readonly leaving: boolean
}

/**
 * How a group is answered; in the order of the schema. `log`: as commands, through the log; the only way for what
 * writes. Groups that only read: `linearizable` asks a quorum, `stale` asks nobody, `min` waits until the replica is as
 * new as a token.
 */
export const CONSISTENCIES = ['log', 'linearizable', 'stale', 'min'] as const
export type Consistency = (typeof CONSISTENCIES)[number]

/**
 * `id` is the client's number for the answer, below 2³². `group` is opaque here. In a decoded message it is a view into
 * the frame. `min` is the token of a `min` read, otherwise empty.
 */
export interface Request {
  readonly type: typeof ClientMessageType.request
  readonly id: number
  readonly group: Uint8Array
  readonly consistency: Consistency
  readonly min: string
  /** Whether the response brings a token. */
  readonly tokens: boolean
}

/**
 * `results` is opaque here. In a decoded message it is a view into the frame. `code` and `message` are empty if the
 * outcome is `done`. `token` is empty if there is none. `ageMs` is null if it is unknown, and where it has no meaning.
 */
export interface Response {
  readonly type: typeof ClientMessageType.response
  readonly id: number
  readonly outcome: ResponseOutcome
  readonly code: string
  readonly message: string
  readonly results: Uint8Array
  readonly token: string
  readonly ageMs: number | null
}

export type FromClient = Hello | Request
export type FromServer = Challenge | Welcome | Response
export type ClientMessage = FromClient | FromServer
