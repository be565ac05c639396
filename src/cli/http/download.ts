import type { IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { CommandError, EpaxosError, ErrorCode } from '../../errors.ts'
import type { Progress } from '../../storage/backup-file.ts'
import { messageOf, requestTo, type Target } from './ask.ts'

export interface Download {
  readonly path: string
  /** Takes the bytes in order; the next ones come when it has resolved. */
  readonly write: (bytes: Uint8Array) => Promise<void>
  /** The replica has not begun to send, and says that it will. */
  readonly preparing: () => void
  readonly progress: Progress
  /** Ends it. */
  readonly signal: AbortSignal
}

/**
 * Reads the body of a GET as it comes. Rejects with a `CommandError` if the replica does not send all of it, or sends
 * nothing for the time limit of the target; or with what `write` throws.
 */
export async function download(target: Target, { path, write, preparing, progress, signal }: Download): Promise<void> {
  const request = await requestTo(target, 'GET', path, 0)
  const give = () => request.destroy(new Error(`nothing came for ${target.timeoutMs} ms`))
  const timer = setTimeout(give, target.timeoutMs)
  const abort = () => request.destroy(new Error('it was asked to stop'))
  signal.addEventListener('abort', abort)
  request.on('information', () => {
    timer.refresh()
    preparing()
  })
  let response: IncomingMessage
  try {
    response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve).once('error', reject).end()
    })
    request.on('error', () => {})
    if (response.statusCode !== 200) throw await refusal(target, response)
    let sum = 0
    for await (const bytes of response as AsyncIterable<Uint8Array>) {
      timer.refresh()
      sum += bytes.length
      await write(bytes)
      progress(sum, Number(response.headers['content-length']))
    }
  } catch (error) {
    // What `write` throws is ours; the rest comes from the link.
    if (error instanceof EpaxosError) throw error
    throw new CommandError(ErrorCode.unreachable, 'refused', `${target.url}: ${(error as Error).message}`)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
    request.destroy()
  }
}

/** The replica's own explanation. */
async function refusal(target: Target, response: IncomingMessage): Promise<CommandError> {
  const message = messageOf(response.statusCode as number, await buffer(response))
  return new CommandError(ErrorCode.notReady, 'refused', `${target.url}: ${message}`)
}
