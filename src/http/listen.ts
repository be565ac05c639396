import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cannotListen } from '../transport/link-server.ts'
import type { Address } from '../transport/links.ts'
import { printed } from '../transport/links.ts'

/** Listens, and returns the port: the one that the system chose, for port 0. Rejects with code `configuration`. */
export function listen(server: Server, { host, port }: Address): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', () => reject(cannotListen(printed({ host, port }))))
    server.listen({ host, port, exclusive: true }, () => {
      server.removeAllListeners('error')
      resolve((server.address() as AddressInfo).port)
    })
  })
}
