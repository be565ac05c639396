/**
 * Calls `action` when the current turn of the event loop is over: all promises resolved together have then continued,
 * however deep their continuations are nested. Microtasks would be too early, timers of browsers too late.
 */
export const afterTurn: (action: () => void) => void =
  typeof setImmediate === 'function' ? (action) => void setImmediate(action) : messageTurn()

function messageTurn(): (action: () => void) => void {
  const actions: (() => void)[] = []
  const { port1, port2 } = new MessageChannel()
  port1.onmessage = () => actions.shift()?.()
  return (action) => {
    actions.push(action)
    port2.postMessage(null)
  }
}
