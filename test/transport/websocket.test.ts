import { WebSocketTransport } from '../../src/transport/websocket.ts'
import { freePorts } from '../support/ports.ts'
import { until } from '../support/until.ts'
import { complianceSuite } from './compliance.ts'

complianceSuite('WebSocket', async () => {
  const ports = await freePorts(3)
  const addresses = ports.map((port) => ({ host: '127.0.0.1', port }))
  return {
    transport: ({ identity, secret = null, address = identity.id }) =>
      new WebSocketTransport({
        identity,
        secret,
        listen: addresses[address]!,
        peers: addresses.slice(0, identity.replicas),
      }),
    until: (condition, what) => until(condition, what),
  }
})
