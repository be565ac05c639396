import * as assert from 'uvu/assert'
import type { Identity, Transport } from '../../src/transport/transport.ts'
import { identityOf, Observer } from './observer.ts'

export interface Member {
  readonly identity: Identity
  readonly secret?: Uint8Array
  /** The place where it listens; that of its own id if absent. */
  readonly address?: number
  /** Whom it dials at first; all members if absent. */
  readonly peers?: ReadonlyMap<number, string>
}

/** The places 0, 1, … of a fabric: members are dialled at those of their ids. */
export const PLACES = 5

/** One network under test. */
export interface Fabric {
  /** The address of a place. */
  address(place: number): string
  transport(member: Member): Transport
  until(condition: () => boolean, what: string): Promise<void>
  /** So much time goes by. */
  pass(ms: number): Promise<void>
  /** Frames stay unchanged after their handler has returned; otherwise their bytes are gone then. */
  readonly keepsFrames?: boolean
}

export interface Node {
  readonly transport: Transport
  readonly seen: Observer
}

/** Opens a node; `before`: called before it starts. */
export type Open = (member: Member, before?: (node: Node) => void) => Promise<Node>

/** Opens nodes on one fabric, and closes what is open at the end, whatever happened. */
export async function withFabric(
  newFabric: () => Promise<Fabric>,
  story: (fabric: Fabric, open: Open) => Promise<void>,
): Promise<void> {
  const fabric = await newFabric()
  const nodes: Node[] = []
  try {
    await story(fabric, async (member, before) => {
      const node = { transport: fabric.transport(member), seen: new Observer() }
      nodes.push(node)
      before?.(node)
      await node.transport.start(node.seen)
      return node
    })
  } finally {
    await Promise.all(nodes.map((node) => node.transport.close()))
  }
  for (const { seen } of nodes) assert.is(seen.linked.size, 0, 'each up has its down')
}

/** A cluster of two, linked both ways. */
export function withPair(
  newFabric: () => Promise<Fabric>,
  story: (fabric: Fabric, pair: readonly [Node, Node], open: Open) => Promise<void>,
): Promise<void> {
  return withFabric(newFabric, async (fabric, open) => {
    const a = await open({ identity: identityOf(0, 2) })
    const b = await open({ identity: identityOf(1, 2) })
    await fabric.until(() => a.seen.linked.has(1) && b.seen.linked.has(0), 'both links')
    await story(fabric, [a, b], open)
  })
}

/** A frame of 4 bytes that hold `i`, and `padding` more. */
export function numbered(i: number, padding: number): Uint8Array {
  const frame = new Uint8Array(4 + padding).fill(i)
  new DataView(frame.buffer).setUint32(0, i)
  return frame
}
