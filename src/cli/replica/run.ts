import { type ClientServer, serveClients } from '../../http/index.ts'
import { KeyValueStore } from '../../machine/key-value.ts'
import { formatAddress, isAnyHost, isLoopback } from '../../node/addresses.ts'
import type { Logger } from '../../node/logger.ts'
import type { ReplicaOptions } from '../../node/options.ts'
import { Replica } from '../../node/replica.ts'
import { MAX_REPLICAS } from '../../protocol/quorums.ts'
import { descriptorLimit } from '../../system/limits.ts'
import type { Address } from '../../transport/links.ts'
import { parseAddress } from '../../transport/links.ts'
import { ReplicaExit, replicaExit } from '../exit-codes.ts'
import { wrong } from '../settings/flag.ts'
import type { Given } from '../settings/read.ts'
import { readSecret } from '../settings/secret.ts'
import { clientConnections } from './descriptors.ts'
import { Ending } from './ending.ts'
import type { replicaFlags } from './flags.ts'
import { openLog } from './log.ts'

/** Runs one replica with the key-value store until it is asked to stop or fails; resolves with the exit code. */
export async function runReplica(given: Given<typeof replicaFlags>): Promise<number> {
  const logger = openLog(given.settings.logLevel)
  for (const warning of given.warnings) logger.warn({}, warning)
  try {
    while (await returns(given, logger));
    logger.info({}, 'stopped')
    return ReplicaExit.stopped
  } catch (error) {
    const { code = 'internal', message } = error as { code?: string; message: string }
    logger.fatal({ code }, message)
    return replicaExit(error)
  } finally {
    Ending.letGo()
  }
}

/**
 * Runs it until it is asked to stop, or was removed because it stayed away: resolves with whether it comes back as a
 * new member. Rejects if it fails.
 */
async function returns(given: Given<typeof replicaFlags>, logger: Logger): Promise<boolean> {
  const ending = new Ending()
  const options = optionsOf(given, logger, (error) => ending.fail(error))
  const maxConnections = clientConnections(descriptorLimit(), options.peers?.length ?? MAX_REPLICAS)
  const replica = await Replica.create(options)
  try {
    await serve(replica, given, { ...options, maxConnections }, ending)
  } catch (error) {
    if (!replica.mayReturn) throw error
  }
  if (ending.failure === null) return false
  if (!replica.mayReturn) throw ending.failure
  logger.warn({}, ending.failure.message)
  return true
}

/** The client port is open before the journal is replayed; it answers why the replica is not ready. */
async function serve(
  replica: Replica,
  given: Given<typeof replicaFlags>,
  options: ReplicaOptions & { readonly logger: Logger; readonly maxConnections: number },
  ending: Ending,
): Promise<void> {
  const { client, allowedOrigins } = given.settings
  const { logger, secret, maxConnections } = options
  let server: ClientServer | null = null
  try {
    const address = parseAddress(client as string)
    const limits = { allowedOrigins, maxConnections }
    server = await serveClients(replica, { ...address, ...limits, logger, ...(secret && { secret }) })
    if (await ending.after(replica.start())) {
      logger.info({ id: replica.id, client: options.advertise ?? '', maxConnections }, 'started')
      await ending.come
    }
    logger.info({}, 'stopping')
  } finally {
    await replica.close()
    await server?.close()
  }
}

/** Throws an `EpaxosError` with code `configuration`. */
function optionsOf(
  given: Given<typeof replicaFlags>,
  logger: Logger,
  onFailure: (error: Error) => void,
): ReplicaOptions & { readonly logger: Logger } {
  const { settings } = given
  const { client, data, durability, engine, server, cluster, requestTimeoutMs } = settings
  const place = placeOf(given)
  if (client === undefined) throw wrong('--client is missing')
  if (data === undefined && durability === 'fsync') throw wrong('--data is missing')
  const address = parseAddress(client)
  if (address.port === 0) throw wrong('--client needs a port that others can know, not 0')
  for (const origin of settings.allowedOrigins) checkOrigin(origin)
  const secret = readSecret(given)
  if (secret === undefined && !isLoopback(address.host)) {
    throw wrong(`serving clients beyond loopback (${address.host}) needs a secret: --secret-file or EPAXOS_SECRET`)
  }
  return {
    ...place,
    machine: new KeyValueStore(),
    cluster,
    durability,
    engine,
    requestTimeoutMs,
    sessionLifetimeMs: settings.sessionLifetimeMs,
    heldLimitBytes: settings.heldLimitBytes,
    logger,
    onFailure,
    ...advertised(settings.advertise, address, logger),
    ...(data === undefined ? {} : { data }),
    ...(server === undefined ? {} : { server }),
    ...(secret === undefined ? {} : { secret }),
  }
}

/** Which replica it is, or that it joins. Throws an `EpaxosError` with code `configuration`. */
function placeOf({ settings, origins }: Given<typeof replicaFlags>): Pick<ReplicaOptions, 'id' | 'peers' | 'join'> {
  const { id, peers, join } = settings
  if (join === undefined) {
    if (id === undefined) throw wrong('--id is missing, or --join')
    if (peers.length === 0) throw wrong('--peers is missing')
    return { id, peers }
  }
  const other = origins.get('id') ?? origins.get('peers')
  if (other !== undefined) throw wrong(`${origins.get('join')?.written} is instead of ${other.written}`)
  return { join }
}

/** The URL that clients learn. An address that stands for every host is not one. */
function advertised(given: string | undefined, client: Address, logger: Logger): { readonly advertise?: string } {
  if (given !== undefined) return { advertise: given }
  if (!isAnyHost(client.host)) return { advertise: `http://${formatAddress(client)}` }
  logger.warn(
    {},
    `clients and the other replicas learn no URL of this replica: it listens on ${client.host}; see --advertise`,
  )
  return {}
}

/** In the form that browsers send, because it is compared with their header. */
function checkOrigin(text: string): void {
  if (URL.canParse(text) && new URL(text).origin === text) return
  throw wrong(`--allowed-origins: not an origin, such as https://example.org or http://localhost:8080: ${text}`)
}
