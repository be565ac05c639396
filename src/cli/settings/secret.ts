import { secretText, text, wrong } from './flag.ts'
import type { Origin } from './read.ts'
import { readText } from './read-text.ts'

/** The shared secret: from a file, or from the variable `EPAXOS_SECRET`; never from a flag. */
export const secretFlags = {
  secretFile: text('FILE', 'holds the secret that replicas and clients share; or the variable EPAXOS_SECRET'),
  secret: secretText('the secret itself'),
}

/** The secret of the first source that has one; undefined if there is none. */
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
  if (secretFile === undefined || (direct !== undefined && file !== undefined && direct.level < file.level)) {
    return secret === undefined ? undefined : checkedSecret(secret, direct?.written)
  }
  return checkedSecret(readText(secretFile, file?.written ?? '').replace(/\r?\n$/, ''), file?.written)
}

/** Refuses characters that HTTP would not carry, or would change. */
function checkedSecret(secret: string, written: string | undefined): string {
  if (secret === '') throw wrong(`${written}: the secret is empty`)
  if (secret.trim() !== secret) throw wrong(`${written}: the secret begins or ends with white space`)
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(secret))
    throw wrong(`${written}: the secret is one line, without control characters`)
  return secret
}
