/**
 * Kubernetes puts variables into every container for each service of its namespace: for a service named `epaxos-client` these are
 * EPAXOS_CLIENT_SERVICE_HOST, EPAXOS_CLIENT_SERVICE_PORT[_NAME], EPAXOS_CLIENT_PORT=tcp://10.0.0.1:7001 and
 * EPAXOS_CLIENT_PORT_7001_TCP[_PROTO|_PORT|_ADDR]. Nobody has set them for this program.
 */
const NAMES = /^EPAXOS(_\w+)?_(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/

/** This one may have the name of a flag of ours, as `EPAXOS_CLIENT_PORT` has: its value, which is no port, tells them apart. */
const ADDRESS_NAME = /^EPAXOS(_\w+)?_PORT$/
const ADDRESS = /^(tcp|udp|sctp):\/\//

/** Whether it is a variable that Kubernetes sets for a service whose name begins with ours. */
export function isOfService(name: string, value: string): boolean {
  return NAMES.test(name) || (ADDRESS_NAME.test(name) && ADDRESS.test(value))
}
