/**
 * The layout table of one schema, read from flatc's binary form of it (reflection.fbs of the FlatBuffers project says
 * what its fields mean).
 */
import { ByteBuffer } from 'flatbuffers'

const Base = { utype: 1, double: 12, string: 13, vector: 14, object: 15, union: 16 }
const SCALAR_BYTES = [0, 1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8]

/** @returns {string} the TypeScript module that exports `<name>Layout` */
export function layoutModule(name, binary) {
  const schema = Table.root(new ByteBuffer(binary))
  const objects = schema.tables(0).map(describe)
  const tables = objects.filter((object) => !object.isStruct)
  const indexes = new Map(tables.map((table, index) => [table.name, index]))
  const unions = schema.tables(1).map((each) => unionMembers(each, objects, indexes))
  const lines = tables.map((table) => {
    const fields = table.fields.map((field) => `      ${fieldLine(field, objects, unions)},`)
    const lines = fields.map((line) => `  ${line}`).join('\n')
    return `    {\n      name: '${short(table.name)}',\n      fields: [\n${lines}\n      ],\n    },`
  })
  return `// Generated from schemas/${name}.fbs by scripts/generate.mjs, do not modify.

import type { Layout } from '../../layout.ts'
import * as limits from '../../limits.ts'

export const ${name}Layout: Layout = {
  identifier: '${schema.string(2)}',
  root: ${indexes.get(schema.table(4).string(0))},
  tables: [
${lines.join('\n')}
  ],
}
`
}

function describe(object) {
  const fields = object
    .tables(1)
    .map((field) => {
      const type = field.table(1)
      return {
        name: field.string(0),
        base: type.int8(0),
        element: type.int8(1),
        index: type.int32(2, -1),
        id: field.uint16(2),
        required: field.int8(7) !== 0,
        attributes: new Map(field.tables(9).map((each) => [each.string(0), each.string(1)])),
      }
    })
    .sort((a, b) => a.id - b.id)
  return {
    name: object.string(0),
    isStruct: object.int8(2) !== 0,
    align: object.int32(3),
    size: object.int32(4),
    fields,
  }
}

/** For each member of a union type: the index of its table, null for NONE. */
function unionMembers(each, objects, indexes) {
  if (each.int8(2) === 0) return null
  return each.tables(1).map((value) => {
    const index = value.table(3)?.int32(2, -1) ?? -1
    return index < 0 ? null : indexes.get(objects[index].name)
  })
}

function fieldLine(field, objects, unions) {
  const required = field.required ? ', required: true' : ''
  const head = `{ name: '${field.name}', `
  if (field.base <= Base.double) {
    const size = SCALAR_BYTES[field.base]
    return `${head}kind: 'inline', size: ${size}, align: ${size}${required} }`
  }
  if (field.base === Base.object) {
    const object = objects[field.index]
    if (!object.isStruct) throw new Error(`${field.name}: the verifier knows no nested tables`)
    return `${head}kind: 'inline', size: ${object.size}, align: ${object.align}${required} }`
  }
  if (field.base === Base.union) return `${head}kind: 'union', members: ${list(unions[field.index])}${required} }`
  if (field.base === Base.string) return `${head}kind: 'string', limit: ${limit(field, 'limit')}${required} }`
  if (field.base !== Base.vector) throw new Error(`${field.name}: the verifier knows no base type ${field.base}`)
  if (field.element === Base.string) {
    return `${head}kind: 'strings', limit: ${limit(field, 'limit')}, each: ${limit(field, 'each')}${required} }`
  }
  const [size, align] = elementShape(field, objects)
  return `${head}kind: 'vector', size: ${size}, align: ${align}, limit: ${limit(field, 'limit')}${required} }`
}

function elementShape(field, objects) {
  if (field.element <= Base.double) return [SCALAR_BYTES[field.element], SCALAR_BYTES[field.element]]
  const object = objects[field.index]
  if (field.element !== Base.object || !object.isStruct) throw new Error(`${field.name}: no vectors of tables`)
  return [object.size, object.align]
}

function limit(field, attribute) {
  const name = field.attributes.get(attribute)
  if (name === undefined) throw new Error(`${field.name}: a vector or string needs (${attribute}: "…")`)
  return `limits.${name}`
}

const list = (members) => `[${members.map((member) => member ?? 'null').join(', ')}]`
const short = (name) => name.slice(name.lastIndexOf('.') + 1)

/** The minimum of a flatbuffers table that reads a schema: fields by id. */
class Table {
  static root(buffer) {
    return new Table(buffer, buffer.readInt32(buffer.position()) + buffer.position())
  }

  constructor(buffer, position) {
    this.buffer = buffer
    this.position = position
  }

  #at(id) {
    const offset = this.buffer.__offset(this.position, 4 + 2 * id)
    return offset === 0 ? 0 : this.position + offset
  }

  int8(id) {
    const at = this.#at(id)
    return at === 0 ? 0 : this.buffer.readInt8(at)
  }

  uint16(id) {
    const at = this.#at(id)
    return at === 0 ? 0 : this.buffer.readUint16(at)
  }

  int32(id, absent = 0) {
    const at = this.#at(id)
    return at === 0 ? absent : this.buffer.readInt32(at)
  }

  string(id) {
    const at = this.#at(id)
    return at === 0 ? '' : this.buffer.__string(at)
  }

  table(id) {
    const at = this.#at(id)
    return at === 0 ? null : new Table(this.buffer, this.buffer.__indirect(at))
  }

  tables(id) {
    const at = this.#at(id)
    if (at === 0) return []
    const start = this.buffer.__vector(at)
    return Array.from({ length: this.buffer.__vector_len(at) }, (_, i) => {
      return new Table(this.buffer, this.buffer.__indirect(start + 4 * i))
    })
  }
}
