/**
 * Calls `action` when the present turn of the event loop is over: promises that were resolved together, however deep their continuations
 * are nested, have then all gone on. Microtasks would be too early, timers of browsers too late.
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
