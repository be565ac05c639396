import { Outcome, readResult, readTransactionResult } from '../../machine/command-results.ts'
import { getCommand, putCommand, transactionCommand } from '../../machine/commands.ts'
import { type Json, readTransaction, type Step, transactionOf } from '../../machine/list.ts'
import { type Body, MaelstromCode, MaelstromError } from './messages.ts'

/** The request of a client: a command of the machine, and how its result becomes the answer. */
export interface Request {
  readonly command: Uint8Array
  /** Throws a {@link MaelstromError} if the answer is an error. */
  answer(result: Uint8Array): Body
}

const decoder = new TextDecoder()

/**
 * The requests of the workloads `lin-kv` (read, write, cas), `txn-rw-register` and `txn-list-append` (txn). Keys and
 * values are stored as JSON text.
 * @throws MaelstromError for any other request, EpaxosError for one that the machine would refuse
 */
export function requestOf(body: Body): Request {
  switch (body.type) {
    case 'read':
      return read(textOf(body, 'key'))
    case 'write':
      return { command: putCommand(textOf(body, 'key'), textOf(body, 'value')), answer: () => ({ type: 'write_ok' }) }
    case 'cas':
      return compareAndSet(body)
    case 'txn':
      return transaction(body)
  }
  throw new MaelstromError(MaelstromCode.notSupported, `no such request: ${body.type}`)
}

function read(key: string): Request {
  return {
    command: getCommand(key),
    answer: (result) => {
      const { outcome, value } = readResult(result)
      if (outcome === Outcome.absent) throw noKey(key)
      return { type: 'read_ok', value: JSON.parse(decoder.decode(value)) as Json }
    },
  }
}

/** A transaction, so that an absent key and a key with another value give different answers. */
function compareAndSet(body: Body): Request {
  const key = textOf(body, 'key')
  const [from, to] = [textOf(body, 'from'), textOf(body, 'to')]
  if (body.create_if_not_exists === true) {
    throw new MaelstromError(MaelstromCode.notSupported, 'cas creates no keys')
  }
  return {
    command: transactionCommand({
      if: [{ key, equals: from }],
      then: [{ put: key, value: to }],
      else: [{ get: key }],
    }),
    answer: (result) => {
      const { succeeded, results } = readTransactionResult(result)
      if (succeeded) return { type: 'cas_ok' }
      if (results[0]?.outcome === Outcome.absent) throw noKey(key)
      const found = decoder.decode(results[0]?.value)
      throw new MaelstromError(MaelstromCode.preconditionFailed, `expected ${from}, but had ${found}`)
    },
  }
}

function transaction(body: Body): Request {
  return {
    command: transactionOf(body.txn as unknown as readonly Step[]),
    answer: (result) => {
      const txn = readTransaction(result)
      if (txn === null) throw new MaelstromError(MaelstromCode.abort, 'it appends to what is no list')
      return { type: 'txn_ok', txn }
    },
  }
}

function textOf(body: Body, name: string): string {
  const value = body[name]
  if (value === undefined) throw new MaelstromError(MaelstromCode.malformedRequest, `${name} is missing`)
  return JSON.stringify(value)
}

function noKey(key: string): MaelstromError {
  return new MaelstromError(MaelstromCode.keyDoesNotExist, `no key ${key}`)
}
