import { reserve } from './memory'

// Hash tables of records that begin with two 32-bit lanes and a link. Linear hashing: each new record splits at most two buckets, so there is never a pause
// in which all is hashed again; the buckets lie in segments, each as large as all before it, so none moves.

@unmanaged
export class Entry {
  lo: u32
  hi: u32
  next: usize
}

const FIRST_BITS: u32 = 12
const SEGMENTS = 20

/** Lies in static memory, followed by the addresses of its segments. */
@unmanaged
export class Table {
  buckets: u32
  count: u32

  open(): void {
    this.buckets = 1 << FIRST_BITS
    store<u32>(changetype<usize>(this) + offsetof<Table>(), <u32>reserve(4 << FIRST_BITS))
  }

  /** The record with these lanes, or 0. */
  // @ts-ignore: decorator
  @inline
  find(lo: u32, hi: u32): usize {
    let record = <usize>load<u32>(this.bucketOf(hash(lo, hi)))
    while (record) {
      const entry = changetype<Entry>(record)
      if (entry.lo == lo && entry.hi == hi) break
      record = entry.next
    }
    return record
  }

  /** Adds a record whose lanes are not in the table. */
  add(record: usize): void {
    const entry = changetype<Entry>(record)
    const bucket = this.bucketOf(hash(entry.lo, entry.hi))
    entry.next = load<u32>(bucket)
    store<u32>(bucket, <u32>record)
    this.count += 1
    for (let i = 0; i < 2 && this.buckets >> 1 < this.count; ++i) this.split()
  }

  remove(record: usize): void {
    const entry = changetype<Entry>(record)
    let link = this.bucketOf(hash(entry.lo, entry.hi))
    while (<usize>load<u32>(link) != record) link = <usize>load<u32>(link) + offsetof<Entry>('next')
    store<u32>(link, <u32>entry.next)
    this.count -= 1
  }

  // @ts-ignore: decorator
  @inline
  private bucketOf(hash: u32): usize {
    const half: u32 = (1 << 31) >> clz(this.buckets)
    let bucket = hash & ((half << 1) - 1)
    if (bucket >= this.buckets) bucket -= half
    return this.address(bucket)
  }

  // @ts-ignore: decorator
  @inline
  private address(bucket: u32): usize {
    const segment = 32 - clz(bucket >> FIRST_BITS)
    const first: u32 = segment ? (1 << (FIRST_BITS - 1)) << segment : 0
    const segments = changetype<usize>(this) + offsetof<Table>()
    return <usize>load<u32>(segments + (<usize>segment << 2)) + (<usize>(bucket - first) << 2)
  }

  /** Adds a bucket: it takes its share of the one that served for it so far. */
  private split(): void {
    const added = this.buckets
    const half: u32 = (1 << 31) >> clz(added)
    if (added == half) {
      const segment = 32 - clz(added >> FIRST_BITS)
      const segments = changetype<usize>(this) + offsetof<Table>()
      store<u32>(segments + (<usize>segment << 2), <u32>reserve(<usize>added << 2))
    }
    const from = this.address(added - half)
    const to = this.address(added)
    const mask = (half << 1) - 1
    let record = <usize>load<u32>(from)
    let stay: usize = 0
    let move: usize = 0
    while (record) {
      const entry = changetype<Entry>(record)
      const next = entry.next
      if ((hash(entry.lo, entry.hi) & mask) == added) {
        entry.next = move
        move = record
      } else {
        entry.next = stay
        stay = record
      }
      record = next
    }
    store<u32>(from, <u32>stay)
    store<u32>(to, <u32>move)
    this.buckets = added + 1
  }
}

/** Bytes of static memory that a table takes. */
export const TABLE_BYTES: i32 = 8 + 4 * SEGMENTS

// @ts-ignore: decorator
@inline
function hash(lo: u32, hi: u32): u32 {
  let h = (lo ^ rotl<u32>(hi, 15)) * 0x9e3779b1
  h = (h ^ (h >> 15)) * 0x85ebca77
  return h ^ (h >> 13)
}
