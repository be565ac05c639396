import { readFileSync } from 'node:fs'
import { wrong } from './flag.ts'

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The whole file. Throws an `EpaxosError` with code `configuration` whose message begins with `written`; also if the
 * file is not UTF-8.
 */
export function readText(path: string, written: string): string {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(path)
  } catch (error) {
    throw wrong(`${written}: ${(error as Error).message}`)
  }
  try {
    return strictDecoder.decode(bytes)
  } catch {
    throw wrong(`${written}: ${path} is not UTF-8`)
  }
}
