import { createInterface } from 'node:readline'
import { Exit } from '../exit-codes.ts'
import { Ending } from '../replica/ending.ts'
import type { Settings } from '../settings/flag.ts'
import type { maelstromFlags } from './flags.ts'
import { parseMessage } from './messages.ts'
import { MaelstromNode } from './node.ts'

/** Runs one node on stdin and stdout until stdin ends, a signal stops it, or it fails; resolves with the exit code. */
export async function runMaelstrom({ engine, requestTimeoutMs }: Settings<typeof maelstromFlags>): Promise<number> {
  const ending = new Ending()
  const node = new MaelstromNode({
    engine,
    requestTimeoutMs,
    say: (message) => process.stdout.write(`${JSON.stringify(message)}\n`),
    logger: { info: () => {}, warn: complain, error: complain },
    failed: (error) => ending.fail(error),
  })
  // The reader may be gone first.
  process.stdout.on('error', () => lines.close())
  const lines = createInterface({ input: process.stdin })
  const closed = new Promise<void>((resolve) => lines.once('close', resolve))
  lines.on('line', (line) => {
    const message = parseMessage(line)
    if (message === null) complain({}, 'a line that is no message')
    else node.receive(message).catch((error: Error) => ending.fail(error))
  })
  try {
    await ending.after(closed)
    return Exit.done
  } catch (error) {
    complain({ stack: (error as Error).stack }, (error as Error).message)
    return Exit.failed
  } finally {
    lines.close()
    await node.close()
    process.stdin.destroy()
    Ending.letGo()
  }
}

/** Maelstrom keeps the stderr of a node. */
function complain(fields: object, message: string): void {
  process.stderr.write(`${message} ${JSON.stringify(fields)}\n`)
}
