import type { ChosenServer } from '../../src/transport/server.ts'
import { WebSocketTransport } from '../../src/transport/websocket.ts'
import { freePorts } from '../support/ports.ts'
import { testServers } from '../support/servers.ts'
import { until } from '../support/until.ts'
import { complianceSuite, type Fabric } from './compliance.ts'

for (const server of testServers) complianceSuite(`WebSocket (${server.kind})`, () => fabric(server))

async function fabric(server: ChosenServer): Promise<Fabric> {
  const ports = await freePorts(3)
  const addresses = ports.map((port) => ({ host: '127.0.0.1', port }))
  return {
    transport: ({ identity, secret = null, address = identity.id }) =>
      new WebSocketTransport({
        identity,
        secret,
        server,
        listen: addresses[address]!,
        peers: addresses.slice(0, identity.members.quorums.replicas),
      }),
    keepsFrames: server.kind === 'node',
    until: (condition, what) => until(condition, what),
  }
}
