/**
 * One replica as a process: `replica.ts --id I --peers HOST:PORT,… --data DIR --transcript FILE --engine
 * wasm|reference`. It proposes what its parent asks for, and writes what it executes to the file. It ends with its
 * parent.
 */
import { openSync, writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { CommandError, ErrorCode } from '../../../src/errors.ts'
import type { EngineKind } from '../../../src/node/options.ts'
import { Replica } from '../../../src/node/replica.ts'
import { LineMachine } from './machine.ts'
import type { Answer, Proposal, Question } from './messages.ts'

const text = { type: 'string', default: '' } as const
const { values } = parseArgs({ options: { id: text, peers: text, data: text, transcript: text, engine: text } })
const file = openSync(values.transcript, 'w')
const machine = new LineMachine((line) => writeSync(file, `${line}\n`))
const replica = await Replica.open({
  id: Number(values.id),
  peers: values.peers.split(','),
  data: values.data,
  engine: values.engine as EngineKind,
  machine,
  onFailure: (error) => {
    throw error
  },
})
process.on('message', (question: Question) => void answer(question))
process.once('disconnect', () => process.exit())
while (replica.notReady !== null) await pause(5)
say({ type: 'ready' })

async function answer(question: Question): Promise<void> {
  const { type, id } = question
  if (type === 'propose') return say({ type: 'proposed', id, number: await propose(question) })
  const { stateHash, counts } = replica.status()
  say({ type: 'report', id, lines: machine.lines, stateHash, counts })
}

async function propose({ session, number, line }: Proposal): Promise<number | null> {
  try {
    const request = { session, first: number, acknowledged: number - 1 }
    return Number(new TextDecoder().decode(await replica.propose(new TextEncoder().encode(line), request)))
  } catch (error) {
    // Its only client has no answer to this request yet, so its session must still have a place for it.
    if (!(error instanceof CommandError) || error.code === ErrorCode.sessionExpired) throw error
    return null
  }
}

function say(message: Answer): void {
  if (process.connected) process.send?.(message)
}
