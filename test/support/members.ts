import { foundingMembers, type Membership } from '../../src/protocol/membership.ts'

const made = new Map<string, Membership>()

/** Epoch 0 with so many members, at addresses that nobody dials; the same value for the same arguments. */
export function members(count: number, fastCrashes?: number): Membership {
  const key = `${count} ${fastCrashes}`
  let value = made.get(key)
  if (value === undefined) {
    const addresses = Array.from({ length: count }, (_, id) => `replica-${id}:7100`)
    value = foundingMembers(addresses, fastCrashes)
    made.set(key, value)
  }
  return value
}
