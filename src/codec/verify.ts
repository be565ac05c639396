import type { FieldLayout, Layout, TableLayout } from './layout.ts'
import { MAX_DEPTH } from './limits.ts'
import { malformed } from './malformed.ts'

/**
 * Checks that `view[start, end)` is a flatbuffer of the schema, so that generated accessors read nothing outside of it:
 * root, identifier, vtables, the place and alignment of each field, the length of each vector against the message and
 * its limit, union types, required fields. The flatbuffers runtime has no verifier and reads whatever an offset points
 * at. A field that the schema does not know is refused, because both ends speak one version. Throws `malformed`.
 */
export function verify(view: DataView, start: number, end: number, layout: Layout): void {
  if (end - start < 16) throw malformed('shorter than any message')
  if (identifierAt(view, start + 4) !== layout.identifier) throw malformed('another kind of message')
  verifyTable({ view, start, end, layout }, start + view.getUint32(start, true), layout.root, 1)
}

interface Within {
  readonly view: DataView
  readonly start: number
  readonly end: number
  readonly layout: Layout
}

function identifierAt(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3))
}

function verifyTable(within: Within, at: number, index: number, depth: number): void {
  const { view, start, end, layout } = within
  const table = layout.tables[index] as TableLayout
  if (depth > MAX_DEPTH) throw malformed('nested too deep')
  if (at + 4 > end || (at - start) % 4 !== 0) throw malformed(`${table.name} is out of place`)
  const vtable = at - view.getInt32(at, true)
  if (vtable < start || vtable + 4 > end || (vtable - start) % 2 !== 0)
    throw malformed(`${table.name}'s vtable is out of place`)
  const vtableSize = view.getUint16(vtable, true)
  const tableSize = view.getUint16(vtable + 2, true)
  if (vtableSize < 4 || vtableSize % 2 !== 0 || vtable + vtableSize > end)
    throw malformed(`${table.name}'s vtable is cut`)
  if (vtableSize > 4 + 2 * table.fields.length) throw malformed(`${table.name} has unknown fields`)
  if (tableSize < 4 || at + tableSize > end) throw malformed(`${table.name} is cut`)
  for (let id = 0; id < table.fields.length; id++) {
    const field = table.fields[id] as FieldLayout
    const offset = 4 + 2 * id < vtableSize ? view.getUint16(vtable + 4 + 2 * id, true) : 0
    if (offset !== 0) {
      if (offset < 4 || offset + inlineSize(field) > tableSize) throw malformed(`${field.name} is outside its table`)
      if ((at + offset - start) % inlineAlign(field) !== 0) throw malformed(`${field.name} is not aligned`)
      verifyField(within, field, at, offset, vtable + 4 + 2 * (id - 1), depth)
    } else if (field.required) throw malformed(`${field.name} is missing`)
  }
}

function inlineSize(field: FieldLayout): number {
  return field.kind === 'inline' ? field.size : 4
}

function inlineAlign(field: FieldLayout): number {
  return field.kind === 'inline' ? field.align : 4
}

/** `typeEntry` is the place in the vtable of the type of a union. */
function verifyField(
  within: Within,
  field: FieldLayout,
  table: number,
  offset: number,
  typeEntry: number,
  depth: number,
): void {
  if (field.kind === 'inline') return
  const { view } = within
  const target = table + offset + view.getUint32(table + offset, true)
  if (field.kind === 'union') {
    const typeOffset = view.getUint16(typeEntry, true)
    const member = typeOffset === 0 ? null : field.members[view.getUint8(table + typeOffset)]
    if (member === null || member === undefined) throw malformed(`${field.name} is of no known type`)
    verifyTable(within, target, member, depth + 1)
  } else if (field.kind === 'vector') verifyVector(within, field.name, target, field.size, field.limit)
  else if (field.kind === 'string') verifyString(within, field.name, target, field.limit)
  else {
    const length = verifyVector(within, field.name, target, 4, field.limit)
    for (let at = target + 4; at < target + 4 + 4 * length; at += 4) {
      verifyString(within, field.name, at + view.getUint32(at, true), field.each)
    }
  }
}

/** Returns the number of elements. They are aligned to at most 4 bytes, like their count. */
function verifyVector({ view, start, end }: Within, name: string, at: number, size: number, limit: number): number {
  if (at + 4 > end || (at - start) % 4 !== 0) throw malformed(`${name} is out of place`)
  const length = view.getUint32(at, true)
  if (length > limit) throw malformed(`${name}: ${length} elements are more than ${limit}`)
  if (at + 4 + length * size > end) throw malformed(`${name} is cut`)
  return length
}

function verifyString(within: Within, name: string, at: number, limit: number): void {
  const length = verifyVector(within, name, at, 1, limit)
  const terminator = at + 4 + length
  if (terminator >= within.end || within.view.getUint8(terminator) !== 0) throw malformed(`${name} is not terminated`)
}
