import { spawnSync } from 'node:child_process'
import { delimiter } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect } from '../../src/client/index.ts'
import { volume } from '../support/volumes.ts'
import { LiveCluster } from './cluster.ts'
import { load } from './load.ts'

const test = suite('live cluster, versions of Node')

const INCREMENTS = 1500

/** Paths of `node`, one for each replica; `.ci/run` sets them. */
const nodes = (process.env.EPAXOS_TEST_NODES ?? '').split(delimiter).filter((path) => path !== '')

const title = 'replicas on several versions of Node end with equal state, one of them after kill -9'
if (nodes.length < 3) {
  console.log('skipped: EPAXOS_TEST_NODES does not name three programs of Node')
  test.skip(title)
} else {
  test(title, () =>
    // The first one runs its first choice, which is uWebSockets.js if its binary loads.
    LiveCluster.use({ replicas: nodes.length, nodes, servers: [undefined, 'node', 'node'] }, async (cluster) => {
      const statuses = await Promise.all(cluster.ids.map((id) => cluster.status(id)))
      console.log(nodes.map((node, id) => `Node ${versionOf(node)} with ${statuses[id]?.server}`).join(', '))
      const clients = await Promise.all(cluster.ids.map((id) => connect(cluster.urls(id))))
      const last = cluster.ids.length - 1
      const loads = clients.map((client) =>
        load(
          client,
          8,
          () => client.increment('hot'),
          (n) => n >= INCREMENTS,
        ),
      )
      await cluster.stop(last)
      cluster.start(last)
      const tallies = await Promise.all(loads)
      await cluster.allReady()
      await cluster.converged()
      // An increment whose outcome is unknown may be done.
      const answered = tallies.reduce((sum, tally) => sum + tally.answered, 0)
      const unknown = tallies.reduce((sum, tally) => sum + tally.unknown, 0)
      const counter = Number(await clients[0]?.get('hot'))
      assert.ok(answered > INCREMENTS, `${answered} increments were answered`)
      assert.ok(counter >= answered && counter <= answered + unknown, `${answered} + ${unknown} gave ${counter}`)
      volume('live commands', answered)
      await Promise.all(clients.map((client) => client.close()))
    }),
  )
}

function versionOf(node: string): string {
  return spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
}

test.run()
