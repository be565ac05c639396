import type { Engine, Vector } from './engine.ts'

/**
 * Three replicas in turn propose batches of keys that sometimes meet; the batches are committed in pairs out of order,
 * executed and truncated.
 */
export function warmUp(engine: Engine): void {
  const footprint = new Uint32Array(1 + 2 * 32)
  footprint[0] = 24
  let held: { row: number; slot: number; deps: Vector } | null = null
  for (let i = 0; i < 3000; i++) {
    const row = i % 3
    const slot = Math.floor(i / 3) + 1
    for (let word = 1; word < footprint.length; word++) footprint[word] = Math.imul(i * 64 + word, 0x9e3779b1) >>> 20
    const deps = engine.dependencies(row, slot, footprint)
    if (held === null) {
      held = { row, slot, deps }
      continue
    }
    engine.commit(row, slot, deps)
    engine.execute()
    engine.commit(held.row, held.slot, held.deps)
    held = null
    engine.execute()
    if (i % 90 === 89) engine.truncate([slot - 20, slot - 20, slot - 20].map((floor) => Math.max(0, floor)))
  }
}
