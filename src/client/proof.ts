import { EpaxosError } from '../errors.ts'

/** Names the kind of proof, so that a proof made for another purpose is not valid here. */
const PURPOSE = new TextEncoder().encode('epaxos client\0')

/**
 * HMAC-SHA256 of the server's nonce under the secret. Rejects with code `configuration` in a page that may not compute
 * it (not a secure context).
 */
export async function proofOf(secret: Uint8Array, nonce: Uint8Array): Promise<Uint8Array> {
  const subtle = globalThis.crypto?.subtle
  if (subtle === undefined)
    throw new EpaxosError('configuration', 'a secret needs a secure context: https or localhost')
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await subtle.importKey('raw', new Uint8Array(secret), algorithm, false, ['sign'])
  const message = new Uint8Array(PURPOSE.length + nonce.length)
  message.set(PURPOSE)
  message.set(nonce, PURPOSE.length)
  return new Uint8Array(await subtle.sign('HMAC', key, message))
}
