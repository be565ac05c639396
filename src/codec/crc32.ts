type Crc32 = (bytes: Uint8Array) => number

/** Below this size {@link slicedCrc32} (1.1 GB/s, measured) beats Node's, where one call costs 160 ns (then 5 GB/s). */
const SHORT_BYTES = 192

const node = nativeCrc32()

/** CRC-32 (IEEE 802.3), as zlib computes it: Node's own for long inputs, {@link slicedCrc32} otherwise. */
export const crc32: Crc32 =
  node === null ? slicedCrc32 : (bytes) => (bytes.length < SHORT_BYTES ? slicedCrc32(bytes) : node(bytes))

/** Node ≥ 20.16 has it in zlib. It is reached without an import, so that this module also loads in browsers. */
function nativeCrc32(): Crc32 | null {
  const runtime = (globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }).process
  const zlib = runtime?.getBuiltinModule?.('node:zlib') as { crc32?: Crc32 } | undefined
  return zlib?.crc32 ?? null
}

/** `TABLES[256 × k + b]`: the effect of byte b on the checksum if k more bytes follow it. */
const TABLES = makeTables()

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
    tables[byte] = crc
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256] as number
    tables[i] = (before >>> 8) ^ (tables[before & 0xff] as number)
  }
  return tables
}

/** Eight bytes at a time ("slicing by 8"): two and a half times as fast as byte by byte. */
export function slicedCrc32(bytes: Uint8Array): number {
  let crc = -1
  let i = 0
  for (const last = bytes.length - 8; i <= last; i += 8) {
    crc ^= byteAt(bytes, i) | (byteAt(bytes, i + 1) << 8) | (byteAt(bytes, i + 2) << 16) | (byteAt(bytes, i + 3) << 24)
    crc =
      effectOf(7, crc & 0xff) ^
      effectOf(6, (crc >>> 8) & 0xff) ^
      effectOf(5, (crc >>> 16) & 0xff) ^
      effectOf(4, crc >>> 24) ^
      effectOf(3, byteAt(bytes, i + 4)) ^
      effectOf(2, byteAt(bytes, i + 5)) ^
      effectOf(1, byteAt(bytes, i + 6)) ^
      effectOf(0, byteAt(bytes, i + 7))
  }
  for (; i < bytes.length; i++) crc = effectOf(0, (crc ^ byteAt(bytes, i)) & 0xff) ^ (crc >>> 8)
  return (crc ^ -1) >>> 0
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] as number
}

function effectOf(following: number, byte: number): number {
  return TABLES[256 * following + byte] as number
}
