import { allocate, release, reserveLines } from './memory'

// Hash tables of records that begin with two 32-bit lanes. Linear hashing: each new record splits at most one bucket,
// so there is never a pause to rehash everything. The buckets lie in segments, each as large as all before it, so no
// bucket moves. A bucket is a cache line of hashes and addresses: finding a record costs one line and the record's own
// line, and a split touches no record. All hashes of a line are compared at once.

@unmanaged
export class Entry {
  lo: u32
  hi: u32
}

/**
 * Layout of a bucket: up to seven hashes, their count, the addresses of their records, and the address of the next
 * line.
 */
const LINE: usize = 64
const ROOM: u32 = 7
const COUNT: usize = 28
const RECORDS: usize = 32
const MORE: usize = 60

const FIRST_BITS: u32 = 8
const SEGMENTS = 24
/** A bucket grows from this number of records on. */
const LOAD_BITS: u32 = 2

/** Bytes of static memory that a table takes. */
export const TABLE_BYTES: i32 = 8 + 4 * SEGMENTS

/** Lies in static memory, followed by the addresses of its segments. */
@unmanaged
export class Table {
  buckets: u32
  count: u32

  open(): void {
    this.buckets = 1 << FIRST_BITS
    store<u32>(this.segment(0), <u32>reserveLines(LINE << FIRST_BITS))
  }

  /** The record with these lanes, or 0. */
  // @ts-ignore: decorator
  @inline
  find(lo: u32, hi: u32): usize {
    const tag = hash(lo, hi)
    let found: usize = 0
    for (let line = this.bucketOf(tag); line && !found; line = load<u32>(line, MORE)) found = search(line, tag, lo, hi)
    return found
  }

  /** Adds a record whose lanes are not in the table. */
  add(record: usize): void {
    const entry = changetype<Entry>(record)
    const tag = hash(entry.lo, entry.hi)
    append(this.bucketOf(tag), tag, record)
    this.count += 1
    if (this.buckets << LOAD_BITS < this.count) this.split()
  }

  remove(record: usize): void {
    const entry = changetype<Entry>(record)
    const bucket = this.bucketOf(hash(entry.lo, entry.hi))
    let line = bucket
    let place = placeIn(line, record)
    while (!place) {
      line = load<u32>(line, MORE)
      place = placeIn(line, record)
    }
    take(bucket, line, place)
    this.count -= 1
  }

  /** Where the records of this hash are, until the next record is added. */
  // @ts-ignore: decorator
  @inline
  bucketOf(tag: u32): usize {
    const half: u32 = (1 << 31) >> clz(this.buckets)
    let bucket = tag & ((half << 1) - 1)
    if (bucket >= this.buckets) bucket -= half
    return this.address(bucket)
  }

  // @ts-ignore: decorator
  @inline
  private address(bucket: u32): usize {
    const segment = 32 - clz(bucket >> FIRST_BITS)
    const first: u32 = segment ? (1 << (FIRST_BITS - 1)) << segment : 0
    return <usize>load<u32>(this.segment(segment)) + <usize>(bucket - first) * LINE
  }

  // @ts-ignore: decorator
  @inline
  private segment(index: u32): usize {
    return changetype<usize>(this) + offsetof<Table>() + (<usize>index << 2)
  }

  /** Adds a bucket, which takes its share from the bucket that served its hashes until now. */
  private split(): void {
    const added = this.buckets
    const half: u32 = (1 << 31) >> clz(added)
    if (added == half) store<u32>(this.segment(32 - clz(added >> FIRST_BITS)), <u32>reserveLines(<usize>added * LINE))
    this.buckets = added + 1
    const from = this.address(added - half)
    const to = this.address(added)
    const mask = (half << 1) - 1
    for (let line = from; line; ) {
      const more = load<u32>(line, MORE)
      for (let i = load<u32>(line, COUNT); i; --i) {
        const place = line + (<usize>(i - 1) << 2)
        const tag = load<u32>(place)
        if ((tag & mask) != added) continue
        append(to, tag, load<u32>(place, RECORDS))
        take(from, line, place)
      }
      line = more
    }
  }
}

/** The first record with this hash in the bucket, or 0; does not look at the record. */
// @ts-ignore: decorator
@inline
export function likelyRecord(bucket: usize, tag: u32): usize {
  for (let line = bucket; line; line = load<u32>(line, MORE)) {
    const matches = matching(line, line, tag)
    if (matches) return load<u32>(line + (<usize>ctz(matches) << 2), RECORDS)
  }
  return 0
}

// @ts-ignore: decorator
@inline
function search(line: usize, tag: u32, lo: u32, hi: u32): usize {
  for (let matches = matching(line, line, tag); matches; matches &= matches - 1) {
    const record = <usize>load<u32>(line + (<usize>ctz(matches) << 2), RECORDS)
    const entry = changetype<Entry>(record)
    if (entry.lo == lo && entry.hi == hi) return record
  }
  return 0
}

/** One bit for each place of the line that holds `wanted`, in its hashes or its addresses; they are at `words`. */
// @ts-ignore: decorator
@inline
function matching(line: usize, words: usize, wanted: u32): u32 {
  const four = i32x4.splat(wanted)
  const low = i32x4.bitmask(i32x4.eq(v128.load(words), four))
  const high = i32x4.bitmask(i32x4.eq(v128.load(words, 16), four))
  return (low | (high << 4)) & ((1 << load<u32>(line, COUNT)) - 1)
}

function placeIn(line: usize, record: usize): usize {
  const matches = matching(line, line + RECORDS, <u32>record)
  return matches ? line + (<usize>ctz(matches) << 2) : 0
}

function append(bucket: usize, tag: u32, record: usize): void {
  let line = bucket
  while (load<u32>(line, COUNT) == ROOM) {
    if (!load<u32>(line, MORE)) store<u32>(line, <u32>emptyLine(), MORE)
    line = load<u32>(line, MORE)
  }
  const count = load<u32>(line, COUNT)
  const place = line + (<usize>count << 2)
  store<u32>(place, tag)
  store<u32>(place, <u32>record, RECORDS)
  store<u32>(line, count + 1, COUNT)
}

/**
 * Removes the record at `place` from `line`; the line's last record fills the gap. An emptied line is freed, unless it
 * is the bucket itself.
 */
function take(bucket: usize, line: usize, place: usize): void {
  const count = load<u32>(line, COUNT) - 1
  const last = line + (<usize>count << 2)
  store<u32>(place, load<u32>(last))
  store<u32>(place, load<u32>(last, RECORDS), RECORDS)
  store<u32>(line, count, COUNT)
  if (count || line == bucket) return
  let before = bucket
  while (<usize>load<u32>(before, MORE) != line) before = load<u32>(before, MORE)
  store<u32>(before, load<u32>(line, MORE), MORE)
  release(line, LINE)
}

function emptyLine(): usize {
  const line = allocate(LINE)
  store<u32>(line, 0, COUNT)
  store<u32>(line, 0, MORE)
  return line
}

// @ts-ignore: decorator
@inline
export function hash(lo: u32, hi: u32): u32 {
  let h = (lo ^ rotl<u32>(hi, 15)) * 0x9e3779b1
  h = (h ^ (h >> 15)) * 0x85ebca77
  return h ^ (h >> 13)
}
