type Crc32 = (bytes: Uint8Array) => number

/** CRC-32 (IEEE 802.3), as zlib computes it: Node's own if it has one, the table otherwise. */
export const crc32: Crc32 = native() ?? tableCrc32

/** Node ≥ 20.16 has it in zlib. It is reached without an import, so that this module also loads in browsers. */
function native(): Crc32 | null {
  const runtime = (globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }).process
  const zlib = runtime?.getBuiltinModule?.('node:zlib') as { crc32?: Crc32 } | undefined
  return zlib?.crc32 ?? null
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc >>> 0
})

export function tableCrc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (let i = 0; i < bytes.length; i++) crc = (TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}
