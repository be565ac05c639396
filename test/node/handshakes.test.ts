import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Handshakes } from '../../src/node/handshakes.ts'
import type { Incarnations } from '../../src/node/incarnations.ts'
import { SILENT } from '../../src/node/logger.ts'
import { membership } from '../../src/protocol/membership.ts'

const test = suite('handshakes')

const CLUSTER = '0123456789abcdef0123456789abcdef'

/** Of replica 0 in an epoch with these members. */
function handshakesAmong(ids: readonly number[]): { handshakes: Handshakes; failures: Error[] } {
  const failures: Error[] = []
  const members = ids.map((id) => ({ id, address: `replica-${id}:1`, incarnation: new Uint8Array(16).fill(id + 1) }))
  const incarnations = { standing: { clusterId: CLUSTER, founded: true } } as unknown as Incarnations
  const handshakes = new Handshakes({
    ...{ members: membership(2, members), incarnations, logger: SILENT },
    failed: (error) => failures.push(error),
  })
  return { handshakes, failures }
}

test('a replica that has left ends nobody by its refusal, alone or with others', () => {
  for (const ids of [[0], [0, 1], [0, 1, 3]]) {
    const { handshakes, failures } = handshakesAmong(ids)
    for (const leaver of [7, 8, 9]) handshakes.refused(leaver, 'copy', CLUSTER)
    assert.equal(failures, [], `${ids}`)
    assert.is(handshakes.refusals, '')
  }
})

test('more than f members end a replica that they refuse', () => {
  const { handshakes, failures } = handshakesAmong([0, 1, 3])
  handshakes.refused(1, 'copy', CLUSTER)
  assert.equal(failures, [])
  handshakes.refused(3, 'copy', CLUSTER)
  assert.is(failures.length, 1)
})

test.run()
