import type { ChosenServer } from '../../src/transport/server.ts'
import { WebSocketTransport } from '../../src/transport/websocket.ts'
import { freePorts, peersAt } from '../support/ports.ts'
import { testServers } from '../support/servers.ts'
import { until } from '../support/until.ts'
import { complianceSuite } from './compliance.ts'
import { type Fabric, PLACES } from './fabric.ts'

for (const server of testServers) complianceSuite(`WebSocket (${server.kind})`, () => fabric(server))

async function fabric(server: ChosenServer): Promise<Fabric> {
  const ports = await freePorts(PLACES)
  const places = peersAt(ports)
  return {
    transport: ({ identity, secret = null, address = identity.id, peers }) => {
      const founders = identity.members?.members.map(({ id }) => [id, places.get(id) as string] as const)
      return new WebSocketTransport({
        ...{ identity, secret, server, peers: peers ?? new Map(founders) },
        listen: { host: '127.0.0.1', port: ports[address] as number },
      })
    },
    address: (place) => places.get(place) as string,
    keepsFrames: server.kind === 'node',
    until: (condition, what) => until(condition, what),
    pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  }
}
