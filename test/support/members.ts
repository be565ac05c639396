import { foundingMembers, type Membership } from '../../src/protocol/membership.ts'

const made = new Map<string, Membership>()

/** Where the member with this id listens, in a network that is not the real one. */
export function memberAddress(id: number): string {
  return `replica-${id}:7100`
}

/** Epoch 0 with so many members, at addresses that nobody dials; the same value for the same arguments. */
export function members(count: number, fastCrashes?: number): Membership {
  const key = `${count} ${fastCrashes}`
  let value = made.get(key)
  if (value === undefined) {
    const addresses = Array.from({ length: count }, (_, id) => memberAddress(id))
    value = foundingMembers(addresses, fastCrashes)
    made.set(key, value)
  }
  return value
}
