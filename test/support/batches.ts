import { FootprintBuilder } from '../../src/engine/footprint.ts'
import type { Batch } from '../../src/protocol/messages.ts'

const text = new TextEncoder()

/**
 * A batch whose commands are its name, and whose footprint writes the keys. A key that begins with `?` is read; `*` is
 * everything.
 */
export function batch(name: string, ...keys: string[]): Batch {
  const builder = new FootprintBuilder()
  for (const key of keys) {
    if (key === '*') builder.everything()
    else if (key.startsWith('?')) builder.read(text.encode(key.slice(1)))
    else builder.write(text.encode(key))
  }
  return { footprint: builder.take(), commands: text.encode(name) }
}

export function nameOf(commands: Uint8Array): string {
  return new TextDecoder().decode(commands)
}
