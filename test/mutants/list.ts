import { CHANGES } from './changes.ts'
import { CHECKPOINTS } from './checkpoints.ts'
import { DURABILITY } from './durability.ts'
import { EPOCH_RULES } from './epochs.ts'
import { EXECUTION } from './execution.ts'
import { FAILURE_FREE } from './failure-free.ts'
import { FORGETTING } from './forgetting.ts'
import { INSTALLS } from './installs.ts'
import { MEMBERS } from './members.ts'
import type { Mutant } from './mutant.ts'
import { READ_MUTANTS } from './reads.ts'
import { RECOVERY } from './recovery.ts'
import { REPLICA } from './replica.ts'

export const MUTANTS: readonly Mutant[] = [
  ...FAILURE_FREE,
  ...RECOVERY,
  ...DURABILITY,
  ...FORGETTING,
  ...CHECKPOINTS,
  ...INSTALLS,
  ...MEMBERS,
  ...EPOCH_RULES,
  ...CHANGES,
  ...EXECUTION,
  ...REPLICA,
  ...READ_MUTANTS,
]
