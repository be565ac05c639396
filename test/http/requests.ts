/**
 * Requests as bytes, with the statuses of their answers: legal ones that few programs send, and illegal ones. None of
 * them may make {@link SMUGGLED} run, which stands where a careless parser would see another request.
 */
export interface RequestCase {
  readonly title: string
  readonly bytes: Buffer
  readonly statuses: readonly number[]
  /** The server closes the connection after the last answer. */
  readonly closes: boolean
}

export const SMUGGLED = 'POST /kv/smuggled/increment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1'
const N = SMUGGLED.length

/** With these lines and an empty one; `after` follows. */
function request(line: string, lines: readonly string[], after = ''): string {
  return `${[line, ...lines].join('\r\n')}\r\n\r\n${after}`
}

const get = (lines: readonly string[], after = SMUGGLED) => request('GET /livez HTTP/1.1', lines, after)
const put = (lines: readonly string[], after: string) =>
  request('PUT /kv/odd HTTP/1.1', ['Host: localhost', ...lines], after)
const HOST = 'Host: localhost'
const WEBSOCKET = [
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
]

const legal: readonly (readonly [string, string, readonly number[]])[] = [
  ['a plain request', get([HOST], ''), [200]],
  ['an empty line before the request', `\r\n${get([HOST], '')}`, [200]],
  ['names in any case, blanks around the value', get(['hOST:localhost  ', 'ACCEPT:\t*/*'], ''), [200]],
  ['two blanks', request('GET  /livez HTTP/1.1', [HOST]), [200]],
  ['an empty Host', get(['Host:'], ''), [200]],
  ['HTTP/1.0 that is kept alive', request('GET /livez HTTP/1.0', ['Connection: keep-alive']), [200]],
  ['the absolute form', request('GET http://localhost/livez HTTP/1.1', ['Host: elsewhere.example']), [200]],
  ['the absolute form with a port', request('GET HTTP://127.0.0.1:80/livez HTTP/1.1', [HOST]), [200]],
  ['the absolute form without a path', request('GET http://localhost HTTP/1.1', [HOST]), [404]],
  ['the form of OPTIONS *', request('OPTIONS * HTTP/1.1', [HOST]), [404]],
  ['a foreign host in the absolute form', request('GET http://evil.example/livez HTTP/1.1', [HOST]), [403]],
  ['a body in chunks', put(['Transfer-Encoding: chunked'], '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n'), [204]],
  [
    'chunks with extensions and a trailer',
    put(['transfer-encoding: Chunked'], '3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n'),
    [204],
  ],
  ['an empty body of no chunk', put(['Transfer-Encoding: chunked'], '0\r\n\r\n'), [204]],
  ['a body that means nothing', get([HOST, `Content-Length: ${N}`]), [200]],
  ['one in chunks', get([HOST, 'Transfer-Encoding: chunked'], `${N.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`), [200]],
  ['one of a DELETE', request('DELETE /kv/none HTTP/1.1', [HOST, `Content-Length: ${N}`], SMUGGLED), [404]],
  ['a body that is waited for', put(['Content-Length: 3', 'Expect: 100-continue'], 'abc'), [100, 204]],
  ['requests that do not wait for answers', get([HOST], '').repeat(3), [200, 200, 200]],
  [
    'a write and a read that do not wait',
    put(['Content-Length: 1'], 'x') + request('GET /kv/odd HTTP/1.1', [HOST]) + get([HOST], ''),
    [204, 200, 200],
  ],
  [
    'the offer of HTTP/2, and a request after it',
    get([HOST, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'], '') +
      get([HOST], ''),
    [200, 200],
  ],
  [
    'the offer of HTTP/2 with a body',
    put(['Content-Length: 3', 'Connection: Upgrade', 'Upgrade: h2c'], 'abc') + get([HOST], ''),
    [204, 200],
  ],
  ['a WebSocket of the client library', request('GET /client HTTP/1.1', [HOST, ...WEBSOCKET]), [101]],
]

/** Legal, but the last on their connection. */
const lastOnes: readonly (readonly [string, string, readonly number[]])[] = [
  ['HTTP/1.0 without a Host', request('GET /livez HTTP/1.0', []), [200]],
  ['a request that asks to close', get([HOST, 'Connection: close'], ''), [200]],
]

const illegal: readonly (readonly [string, string, number])[] = [
  ['two lengths', get([HOST, 'Content-Length: 0', `Content-Length: ${N}`]), 400],
  ['the same length twice', get([HOST, `Content-Length: ${N}`, `Content-Length: ${N}`]), 400],
  ['an empty length', get([HOST, 'Content-Length:']), 400],
  ...['+0', '-1', '0x0', '0 0', '0, 0', 'zero', '99999999999999999999'].map(
    (length) => [`the length ${length}`, get([HOST, `Content-Length: ${length}`]), 400] as const,
  ),
  ...['chunked, identity', 'identity', 'gzip, chunked', 'xchunked', '"chunked"', 'chunked, chunked', ''].map(
    (coding) => [`the coding ${coding || 'of no name'}`, get([HOST, `Transfer-Encoding: ${coding}`]), 400] as const,
  ),
  ['two codings', get([HOST, 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity']), 400],
  [
    'a length and a coding',
    get([HOST, 'Content-Length: 5', 'Transfer-Encoding: chunked'], `0\r\n\r\n${SMUGGLED}`),
    400,
  ],
  [
    'a coding and a length',
    get([HOST, 'Transfer-Encoding: chunked', 'Content-Length: 5'], `0\r\n\r\n${SMUGGLED}`),
    400,
  ],
  ['a coding in HTTP/1.0', request('GET /livez HTTP/1.0', ['Transfer-Encoding: chunked'], `0\r\n\r\n${SMUGGLED}`), 400],
  ['two hosts', get([HOST, 'Host: evil.example']), 400],
  ['two origins', get([HOST, 'Origin: http://localhost', 'Origin: http://evil.example']), 400],
  ['two authorizations', get([HOST, 'Authorization: Bearer a', 'Authorization: Bearer b']), 400],
  ['two sessions', get([HOST, 'Epaxos-Session: a', 'epaxos-session: b']), 400],
  ['no host', get([]), 400],
  ['a host with a blank', get(['Host: local host']), 400],
  ['a host with a user', get(['Host: localhost@evil.example']), 400],
  ['a folded line', get([HOST, 'X: a', ' b']), 400],
  ['a blank before the colon', get([HOST, 'Content-Length : 0']), 400],
  ['a line without a colon', get([HOST, 'garbage']), 400],
  ['a line without a name', get([HOST, ': x']), 400],
  ['a zero in a line', get([HOST, 'X: \0']), 400],
  ['a carriage return in a line', get([HOST, 'X: a\rContent-Length: 0']), 400],
  ['a WebSocket on the path of a key', request('GET /kv/odd HTTP/1.1', [HOST, ...WEBSOCKET], SMUGGLED), 400],
  [
    'a WebSocket that is a PUT',
    request('PUT /kv/odd HTTP/1.1', [HOST, ...WEBSOCKET, 'Content-Length: 0'], SMUGGLED),
    400,
  ],
  ['half a WebSocket', get([HOST, 'Upgrade: websocket']), 400],
  ['a WebSocket without a key', request('GET /client HTTP/1.1', [HOST, ...WEBSOCKET.slice(0, 2)], SMUGGLED), 400],
  [
    'a WebSocket with two keys',
    request('GET /client HTTP/1.1', [HOST, ...WEBSOCKET, WEBSOCKET[2] as string], SMUGGLED),
    400,
  ],
  [
    'a WebSocket of another version',
    request('GET /client HTTP/1.1', [HOST, ...WEBSOCKET.slice(0, 3), 'Sec-WebSocket-Version: 8'], SMUGGLED),
    400,
  ],
  [
    'a WebSocket with a body',
    request('GET /client HTTP/1.1', [HOST, ...WEBSOCKET, `Content-Length: ${N}`], SMUGGLED),
    400,
  ],
  ['a WebSocket that is a POST', request('POST /client HTTP/1.1', [HOST, ...WEBSOCKET], SMUGGLED), 400],
  [
    'a WebSocket of a foreign page',
    request('GET /client HTTP/1.1', [HOST, ...WEBSOCKET, 'Origin: http://evil.example']),
    403,
  ],
  ['a tunnel', request('CONNECT localhost:80 HTTP/1.1', [HOST], SMUGGLED), 405],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['no version', `GET /livez\r\n\r\n${SMUGGLED}`, 505],
  ['the version HTTP/2.0', request('GET /livez HTTP/2.0', [HOST], SMUGGLED), 505],
  ...['HTTP/9.9', 'http/1.1', 'HTTP/1.1 x', 'HTTP/11'].map(
    (version) => [`the version ${version}`, request(`GET /livez ${version}`, [HOST], SMUGGLED), 400] as const,
  ),
  ['no path', request('GET HTTP/1.1', [HOST], SMUGGLED), 400],
  ['a relative path', request('GET livez HTTP/1.1', [HOST], SMUGGLED), 400],
  ['another scheme', request('GET ftp://localhost/livez HTTP/1.1', [HOST], SMUGGLED), 400],
  ['a method of no name', request('G\0T /livez HTTP/1.1', [HOST], SMUGGLED), 400],
  ['the greeting of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ...['zz', '-1', '0x3', '3 ', '', '10000000000000000'].map(
    (size) =>
      [
        `a chunk of size ${size || 'none'}`,
        put(['Transfer-Encoding: chunked'], `${size}\r\nabc\r\n0\r\n\r\n`),
        400,
      ] as const,
  ),
  ['a chunk that is longer than it says', put(['Transfer-Encoding: chunked'], `2\r\nabc\r\n0\r\n\r\n${SMUGGLED}`), 400],
  ['a broken chunk of a body that means nothing', get([HOST, 'Transfer-Encoding: chunked'], 'zz\r\n\r\n'), 400],
  [
    'a path that is refused, with a body',
    request('POST /nowhere HTTP/1.1', [HOST, `Content-Length: ${N}`], SMUGGLED),
    404,
  ],
  [
    'a method that is refused, with a body',
    request('PATCH /kv/odd HTTP/1.1', [HOST, `Content-Length: ${N}`], SMUGGLED),
    405,
  ],
  ['a body above the limit', put(['Content-Length: 1048577'], SMUGGLED), 413],
  ['the same, waited for', put(['Content-Length: 1048577', 'Expect: 100-continue'], ''), 413],
]

/** A refusal ends the connection: nothing that follows may run. */
const refused = illegal.map(([title, text, status]) => [title, text, [status]] as const)

export const REQUESTS: readonly RequestCase[] = [
  ...legal.map((one) => caseOf(one, false)),
  ...lastOnes.map((one) => caseOf(one, true)),
  ...refused.map((one) => caseOf(one, true)),
]

function caseOf([title, text, statuses]: readonly [string, string, readonly number[]], closes: boolean): RequestCase {
  return { title, bytes: Buffer.from(text, 'latin1'), statuses, closes }
}
