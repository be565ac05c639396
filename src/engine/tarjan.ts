/**
 * The strongly connected components of a graph; each comes after all components that it has edges to (Tarjan 1972). It
 * does not recurse, so a chain may be as long as memory allows. `edgesOf` is called once per node; edges may lead to
 * nodes that `nodes` does not name.
 */
export function components<Node>(nodes: Iterable<Node>, edgesOf: (node: Node) => Iterable<Node>): Node[][] {
  const index = new Map<Node, number>()
  const low = new Map<Node, number>()
  const stack: Node[] = []
  const onStack = new Set<Node>()
  const found: Node[][] = []
  const path: { node: Node; rest: Iterator<Node> }[] = []

  const visit = (node: Node): void => {
    low.set(node, index.size)
    index.set(node, index.size)
    stack.push(node)
    onStack.add(node)
    path.push({ node, rest: edgesOf(node)[Symbol.iterator]() })
  }

  const lower = (node: Node, value: number): void => {
    low.set(node, Math.min(low.get(node) as number, value))
  }

  const leave = (node: Node): void => {
    path.pop()
    const parent = path.at(-1)
    if (parent !== undefined) lower(parent.node, low.get(node) as number)
    if (low.get(node) !== index.get(node)) return
    const members = stack.splice(stack.lastIndexOf(node))
    for (const member of members) onStack.delete(member)
    found.push(members)
  }

  for (const start of nodes) {
    if (!index.has(start)) visit(start)
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const { value: next, done } = top.rest.next()
      if (done) leave(top.node)
      else if (!index.has(next)) visit(next)
      else if (onStack.has(next)) lower(top.node, index.get(next) as number)
    }
  }
  return found
}
