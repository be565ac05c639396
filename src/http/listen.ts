import type { TemplatedApp } from 'uWebSockets.js'
import { EpaxosError } from '../errors.ts'
import { formatAddress } from '../node/addresses.ts'
import type { Address } from '../transport/links.ts'
import type { UWebSockets } from '../transport/uws.ts'

/** A plain listen shares its port with any other process that asks for it: every connection would then go to one of the two. */
const EXCLUSIVE = 1

/** `listen` as it is; the declarations lack this form. */
type Listen = (
  host: string,
  port: number,
  options: number,
  done: (socket: UWebSockets.us_socket | false) => void,
) => void

/** Listens, and gives the port: the one that the system chose, for port 0. Rejects with code `configuration`. */
export function listen(uws: typeof UWebSockets, app: TemplatedApp, address: Address): Promise<number> {
  return new Promise((resolve, reject) => {
    const done = (socket: UWebSockets.us_socket | false) => {
      if (socket) return resolve(uws.us_socket_local_port(socket))
      app.close()
      const why = `cannot listen on ${formatAddress(address)}: in use, not allowed, or not an address of this machine`
      reject(new EpaxosError('configuration', why))
    }
    ;(app.listen as unknown as Listen).call(app, address.host, address.port, EXCLUSIVE, done)
  })
}
