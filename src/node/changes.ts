import { EpaxosError, ErrorCode } from '../errors.ts'
import { changed, hasQuorumUp, type Joiner } from '../protocol/change.ts'
import { type Member, type Membership, rowOf } from '../protocol/membership.ts'
import { parseAddress } from '../transport/links.ts'
import type { Claim } from '../transport/transport.ts'
import { isAnyHost } from './addresses.ts'
import type { ChangeRequest } from './requests.ts'

/** What a change is judged by. */
export interface Asked {
  /** Who answers at an address. */
  readonly probe: (address: string) => Promise<Claim>
  /** The directory of a member; null if it is not known. */
  readonly incarnationOf: (id: number) => Uint8Array | null
  readonly isUp: (id: number) => boolean
  /** Where a replica says that it listens; null if it is not known. */
  readonly addressOf: (id: number) => string | null
  /** False for a member with durability "memory", as far as that is known: it cannot follow a change. */
  readonly isDurable: (id: number) => boolean
}

/**
 * The members after a change that an operator asks for. Rejects with an `EpaxosError`, and nothing has happened:
 * `bad_change`, `no_quorum`, or what keeps the joiner from being asked.
 */
export async function changeOf(
  members: Membership,
  request: ChangeRequest,
  force: boolean,
  asked: Asked,
): Promise<Membership> {
  const { probe, incarnationOf, isUp, isDurable } = asked
  if (members.epoch === 0) checkAddresses(members, asked)
  const forgetful = members.members.find(({ id }) => !isDurable(id))
  if (forgetful !== undefined) {
    const message = `replica ${forgetful.id} has durability memory: its cluster keeps its members`
    throw new EpaxosError(ErrorCode.badChange, message)
  }
  const known = (member: Member): Uint8Array => {
    const incarnation = incarnationOf(member.id)
    if (incarnation === null) throw new EpaxosError(ErrorCode.notReady, `replica ${member.id} is not known yet`)
    return incarnation
  }
  const change = request.kind === 'remove' ? request : { ...request, joiner: await joinerOf(members, request, probe) }
  const next = changed(members, change, known)
  // A joiner has just answered.
  const hasQuorum = hasQuorumUp(next, ({ id }) => rowOf(members, id) < 0 || isUp(id))
  if (hasQuorum || force) return next
  const message = 'too few of the members after this change are up: the cluster would stand still until they come'
  throw new EpaxosError(ErrorCode.noQuorum, message)
}

/**
 * The founders are known by the lists that they were started with. From epoch 1 on all have the one of the replica that
 * was asked, so theirs must not differ.
 */
function checkAddresses({ members }: Membership, { addressOf }: Asked): void {
  for (const { id, address } of members) {
    const said = addressOf(id) ?? address
    if (said === address && !isAnyHost(parseAddress(said).host)) continue
    const contradiction = `replica ${id} says that it listens at ${said}, and is ${address} here`
    throw new EpaxosError(ErrorCode.badChange, `${contradiction}: start it with an address that all others use, too`)
  }
}

async function joinerOf(
  { members }: Membership,
  request: Exclude<ChangeRequest, { kind: 'remove' }>,
  probe: Asked['probe'],
): Promise<Joiner> {
  const { address } = request
  // A new directory may take the place of a lost one.
  const replaced = request.kind === 'replace' ? request.id : -1
  const member = members.find((one) => one.address === address && one.id !== replaced)
  if (member !== undefined) {
    throw new EpaxosError(ErrorCode.badChange, `${address} is the address of replica ${member.id}, a member`)
  }
  const claim = await probe(address)
  if (claim.replicas === 0) return { address, incarnation: claim.incarnation }
  const whose = claim.clusterId === null ? 'another cluster, which is not founded yet' : `cluster ${claim.clusterId}`
  throw new EpaxosError(
    ErrorCode.badChange,
    `the replica at ${address} belongs to ${whose}: it was not started to join`,
  )
}
