import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FootprintBuilder } from '../../src/engine/footprint.ts'
import { EpaxosError } from '../../src/errors.ts'
import { MAX_LINE_BYTES, PrintingMachine } from '../../src/machine/printing.ts'
import { apply, footprint } from '../support/apply.ts'
import { interferes } from '../support/interference.ts'
import { text, utf8 } from './support.ts'

const test = suite('printing machine')

test('each command is printed with its number, which is its result', () => {
  const printed: string[] = []
  const machine = new PrintingMachine((line, number) => printed.push(`${number} ${line}`))
  assert.is(text(apply(machine, utf8('first'))), '1')
  assert.is(text(apply(machine, utf8('zweite Zeile: ß'))), '2')
  assert.equal(printed, ['1 first', '2 zweite Zeile: ß'])
})

test('all commands interfere', () => {
  const machine = new PrintingMachine()
  const keysOf = (line: string) => {
    const keys = new FootprintBuilder()
    footprint(machine, utf8(line), keys)
    return keys.take()
  }
  assert.ok(interferes(keysOf('a'), keysOf('b')))
})

test('what is not one line of text is refused', () => {
  const machine = new PrintingMachine()
  const keys = new FootprintBuilder()
  for (const command of [utf8('a\nb'), Uint8Array.of(0xff), new Uint8Array(MAX_LINE_BYTES + 1)]) {
    assert.throws(
      () => footprint(machine, command, keys),
      (error: unknown) => error instanceof EpaxosError,
    )
  }
  footprint(machine, new Uint8Array(MAX_LINE_BYTES), keys)
})

test('a restored machine prints what came before, and goes on from there', () => {
  const machine = new PrintingMachine()
  for (let i = 0; i < 5000; i++) apply(machine, utf8(`line ${i}: ${'x'.repeat(i % 50)}`))
  const printed: string[] = []
  const copy = new PrintingMachine((line) => printed.push(line))
  copy.restore(machine.snapshot())
  assert.equal(printed, machine.lines)
  assert.is(text(apply(copy, utf8('next'))), '5001')
  assert.equal([...copy.snapshot()].length > 1, true)
})

test.run()
