import { readFileSync } from 'node:fs'
import { secretText, text, wrong } from './flag.ts'
import type { Origin } from './read.ts'

/** The shared secret: from a file, or as the variable `EPAXOS_SECRET`; never as a flag. */
export const secretFlags = {
  secretFile: text('FILE', 'holds the secret that replicas and clients share; or the variable EPAXOS_SECRET'),
  secret: secretText('the secret itself'),
}

/** The secret, of whichever source comes first; undefined where there is none. */
export function readSecret({
  settings: { secret, secretFile },
  origins,
}: {
  readonly settings: { readonly secret: string | undefined; readonly secretFile: string | undefined }
  readonly origins: ReadonlyMap<string, Origin>
}): string | undefined {
  const [direct, file] = [origins.get('secret'), origins.get('secretFile')]
  if (direct !== undefined && file !== undefined && direct.level === file.level) {
    throw wrong(`${direct.written} and ${file.written} are given both`)
  }
  if (secretFile === undefined || (direct !== undefined && file !== undefined && direct.level < file.level))
    return secret
  try {
    return readFileSync(secretFile, 'utf8').trim()
  } catch (error) {
    throw wrong(`${file?.written}: ${(error as Error).message}`)
  }
}
