import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { StateMachine } from '../../src/execution/machine.ts'
import { getCommand, putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { apply, footprint } from '../support/apply.ts'
import { checkedKeyValueStore, checkedMachine, WatchedTable } from '../support/checked-machine.ts'
import { utf8 } from './support.ts'

const test = suite('checked machine')

/** A key-value store whose footprint names the keys of another command. */
function lying(command: Uint8Array): StateMachine {
  return checkedMachine((access) => {
    const machine = new KeyValueStore(() => new WatchedTable(access))
    return {
      footprint: (_bytes, _start, _end, keys) => footprint(machine, command, keys),
      apply: (bytes, start, end, result) => machine.apply(bytes, start, end, result),
      snapshot: () => machine.snapshot(),
      restore: (chunks) => machine.restore(chunks),
    }
  })
}

test('a machine that touches what its footprint names passes', () => {
  const machine = checkedKeyValueStore()
  apply(machine, putCommand('k', 'v'))
  apply(machine, getCommand('k'))
  const copy = checkedKeyValueStore()
  copy.restore(machine.snapshot())
  assert.is(copy.stateHash?.(), machine.stateHash?.())
})

test('a machine that writes or reads another key than it names is caught', () => {
  assert.throws(() => apply(lying(putCommand('other', 'v')), putCommand('k', 'v')), /would write the key "k"/)
  assert.throws(() => apply(lying(getCommand('other')), getCommand('k')), /would read the key "k"/)
})

test('a machine that writes what it names as read is caught, one that reads what it names as written is not', () => {
  assert.throws(() => apply(lying(getCommand('k')), putCommand('k', 'v')), /would write the key "k"/)
  apply(lying(putCommand('k', 'v')), getCommand('k'))
})

test('a machine that names everything may touch everything', () => {
  const machine = checkedMachine((access) => ({
    footprint: (_bytes, _start, _end, keys) => keys.everything(),
    apply(bytes, start, end, result) {
      access.write(bytes, start, end)
      result.bytes(bytes, start, end)
    },
    snapshot: () => [],
    restore: () => {},
  }))
  assert.is(apply(machine, utf8('k')).length, 1)
})

test.run()
