import { createInterface } from 'node:readline'
import type { maelstromFlags } from '../commands/maelstrom.ts'
import { Exit } from '../exit-codes.ts'
import { Ending } from '../replica/ending.ts'
import type { Settings } from '../settings/flag.ts'
import { parseMessage } from './messages.ts'
import { MaelstromNode } from './node.ts'

/** Runs one node on stdin and stdout until stdin ends, it is told to stop or it fails; resolves with the exit code. */
export async function runMaelstrom({ engine, requestTimeoutMs }: Settings<typeof maelstromFlags>): Promise<number> {
  const ending = new Ending()
  const node = new MaelstromNode({
    engine,
    requestTimeoutMs,
    say: (message) => process.stdout.write(`${JSON.stringify(message)}\n`),
    dropped: complain,
    failed: (error) => ending.fail(error),
  })
  const lines = createInterface({ input: process.stdin })
  const closed = new Promise<void>((resolve) => lines.once('close', resolve))
  lines.on('line', (line) => {
    const message = parseMessage(line)
    if (message === null) complain('a line that is no message')
    else node.receive(message).catch((error: Error) => ending.fail(error))
  })
  try {
    await ending.after(closed)
    return Exit.done
  } catch (error) {
    complain((error as Error).stack ?? String(error))
    return Exit.failed
  } finally {
    node.stop()
    lines.close()
    process.stdin.destroy()
    Ending.letGo()
  }
}

/** Maelstrom keeps what a node says on stderr. */
function complain(what: string): void {
  process.stderr.write(`${what}\n`)
}
