/**
 * Kubernetes sets variables in every container for each service of its namespace. For a service named `epaxos-client`
 * these are EPAXOS_CLIENT_SERVICE_HOST, EPAXOS_CLIENT_SERVICE_PORT[_NAME], EPAXOS_CLIENT_PORT=tcp://10.0.0.1:7001 and
 * EPAXOS_CLIENT_PORT_7001_TCP[_PROTO|_PORT|_ADDR]. They are not meant for this program.
 */
const NAMES = /^EPAXOS(_\w+)?_(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/

/**
 * This variable may have the name of one of our flags, as `EPAXOS_CLIENT_PORT` has. Its value, which is not a port,
 * shows that it is not ours.
 */
const ADDRESS_NAME = /^EPAXOS(_\w+)?_PORT$/
const ADDRESS = /^(tcp|udp|sctp):\/\//

/** Whether Kubernetes sets this variable for a service whose name begins with ours. */
export function isOfService(name: string, value: string): boolean {
  return NAMES.test(name) || (ADDRESS_NAME.test(name) && ADDRESS.test(value))
}
