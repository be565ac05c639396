import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { StateMachine } from '../../src/execution/machine.ts'
import { getCommand, putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { checkedKeyValueStore, checkedMachine, WatchedTable } from '../support/checked-machine.ts'
import { utf8 } from './support.ts'

const test = suite('checked machine')

/** A key-value store whose footprint names the keys of another command. */
function lying(command: Uint8Array): StateMachine {
  return checkedMachine((access) => {
    const machine = new KeyValueStore(() => new WatchedTable(access))
    return {
      footprint: (_command, keys) => machine.footprint(command, keys),
      apply: (command) => machine.apply(command),
      snapshot: () => machine.snapshot(),
      restore: (chunks) => machine.restore(chunks),
    }
  })
}

test('a machine that touches what its footprint names passes', () => {
  const machine = checkedKeyValueStore()
  machine.apply(putCommand('k', 'v'))
  machine.apply(getCommand('k'))
  const copy = checkedKeyValueStore()
  copy.restore(machine.snapshot())
  assert.is(copy.stateHash?.(), machine.stateHash?.())
})

test('a machine that writes or reads another key than it names is caught', () => {
  assert.throws(() => lying(putCommand('other', 'v')).apply(putCommand('k', 'v')), /would write the key "k"/)
  assert.throws(() => lying(getCommand('other')).apply(getCommand('k')), /would read the key "k"/)
})

test('a machine that writes what it names as read is caught, one that reads what it names as written is not', () => {
  assert.throws(() => lying(getCommand('k')).apply(putCommand('k', 'v')), /would write the key "k"/)
  lying(putCommand('k', 'v')).apply(getCommand('k'))
})

test('a machine that names everything may touch everything', () => {
  const machine = checkedMachine((access) => ({
    footprint: (_command, keys) => keys.everything(),
    apply(command) {
      access.write(command, 0, command.length)
      return command
    },
    snapshot: () => [],
    restore: () => {},
  }))
  assert.is(machine.apply(utf8('k')).length, 1)
})

test.run()
