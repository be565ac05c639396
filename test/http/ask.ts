import { request } from 'node:http'
import { connect, type Socket } from 'node:net'

export interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  readonly text: string
}

/** One HTTP request on a connection of its own. */
export function ask(
  url: string,
  method: string,
  path: string,
  body: string | Uint8Array = '',
  headers: Record<string, string> = {},
): Promise<Answered> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const whole = Buffer.concat(chunks)
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: whole, text: whole.toString() })
      })
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** The code of a JSON error; throws if the body is not one. */
export function codeOf({ text }: Answered): string {
  const { error } = JSON.parse(text) as { error: { code: string; message: string } }
  if (typeof error.message !== 'string' || error.message === '') throw new Error(`no message: ${text}`)
  return error.code
}

/**
 * Sends bytes as they are. Resolves with what arrived until the server closed, or paused after its first bytes.
 * @param ends this side announces the end of its data, so that the server does not wait for the rest of a request
 */
export function raw(port: number, bytes: string | Uint8Array, ends = false): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => (ends ? socket.end(bytes) : socket.write(bytes)))
    let text = ''
    let timer: NodeJS.Timeout | undefined
    const finish = () => {
      clearTimeout(timer)
      socket.destroy()
      resolve(text)
    }
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      clearTimeout(timer)
      timer = setTimeout(finish, 50)
    })
    socket.on('error', finish)
    socket.on('close', finish)
  })
}

/**
 * Sends each request on a connection of its own, so that all become complete at the same time: first all but the last
 * bytes, then, after `between`, the last bytes. Returns the first data on each connection.
 */
export async function atOnce(port: number, requests: readonly Uint8Array[], between = () => {}): Promise<string[]> {
  const sockets = await Promise.all(requests.map(() => opened(port)))
  const answers = sockets.map(
    (socket) =>
      new Promise<string>((resolve) => {
        socket.once('data', (chunk) => resolve(chunk.toString('latin1')))
        socket.on('error', () => {})
        socket.once('close', () => resolve(''))
      }),
  )
  const write = (socket: Socket, bytes: Uint8Array) => new Promise((resolve) => socket.write(bytes, resolve))
  await Promise.all(sockets.map((socket, i) => write(socket, (requests[i] as Uint8Array).subarray(0, -1))))
  // The server, in this process, reads a part of what the system has taken in each turn: up to 1 MiB within these.
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
  between()
  sockets.forEach((socket, i) => {
    socket.write((requests[i] as Uint8Array).subarray(-1))
  })
  const heard = await Promise.all(answers)
  for (const socket of sockets) socket.destroy()
  return heard
}

function opened(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.once('error', reject)
  })
}

export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1])
}
