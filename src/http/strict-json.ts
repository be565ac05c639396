import { EpaxosError, ErrorCode } from '../errors.ts'
import { repeatedName } from '../json.ts'

/** Bodies in JSON, read strictly. Everything here throws an `EpaxosError` with code `malformed`. */

export type Fields = Readonly<Record<string, unknown>>

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The fields of an object that has no others than these. */
export function record(given: unknown, what: string, names: readonly string[]): Fields {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw malformed(`${what} is an object`)
  for (const name of Object.keys(given))
    if (!names.includes(name)) throw malformed(`${what} has no ${JSON.stringify(name).slice(0, 80)}`)
  return given as Fields
}

/** The value of a body in UTF-8. No name occurs twice in one object. */
export function parseJson(body: Uint8Array): unknown {
  const [value, text] = decoded(body)
  const repeated = repeatedName(text)
  if (repeated !== null) throw malformed(`${JSON.stringify(repeated).slice(0, 80)} occurs twice in one object`)
  return value
}

function decoded(body: Uint8Array): [value: unknown, text: string] {
  try {
    const text = strictDecoder.decode(body)
    return [JSON.parse(text), text]
  } catch {
    throw malformed('the body is not JSON in UTF-8')
  }
}

export function malformed(message: string): EpaxosError {
  return new EpaxosError(ErrorCode.malformed, message)
}
