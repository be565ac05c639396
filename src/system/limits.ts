import { closeSync, openSync, readFileSync } from 'node:fs'
import { devNull } from 'node:os'

/** The limits of this process (`ulimit`). Infinity if there is no limit, or if the system does not say. */

/** With fewer, peers that arrive at the same time would block each other. */
const MIN_STRANGERS = 8

/** The maximum number of open files and sockets. Reads a file, and needs a descriptor for that. */
export function descriptorLimit(): number {
  return procLimit('Max open files') ?? reportedDescriptors()
}

/**
 * How many of them strangers at a port may use, at most `wanted`: strangers are refused before the process has no
 * descriptors left for its peers and its files.
 */
export function descriptorsForStrangers(wanted: number, limit = descriptorLimit()): number {
  return Math.min(wanted, Math.max(MIN_STRANGERS, Math.floor(limit / 8)))
}

/** Whether the process, or the system, has no descriptor left at this moment. Takes some microseconds. */
export function descriptorsAreOut(): boolean {
  try {
    closeSync(openSync(devNull, 'r'))
    return false
  } catch (error) {
    return ['EMFILE', 'ENFILE'].includes((error as NodeJS.ErrnoException).code ?? '')
  }
}

/** How many bytes of address space it may still map. */
export function freeAddressSpace(): number {
  const limit = procLimit('Max address space')
  if (limit === null || limit === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
  const [, used] = /^VmSize:\s+(\d+) kB$/m.exec(readProc('status')) ?? []
  return limit - Number(used ?? 0) * 1024
}

/** The soft limit of this name on Linux; null on other systems. */
function procLimit(name: string): number | null {
  const line = readProc('limits')
    .split('\n')
    .find((line) => line.startsWith(name))
  const [soft] = line?.slice(name.length).trim().split(/\s+/) ?? []
  if (soft === undefined) return null
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}

/** Empty if the file does not exist, as on all systems except Linux. */
function readProc(file: string): string {
  try {
    return readFileSync(`/proc/self/${file}`, 'utf8')
  } catch {
    return ''
  }
}

function reportedDescriptors(): number {
  if (process.platform === 'win32') return Number.POSITIVE_INFINITY
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft?: number | string } } }
  const soft = Number(userLimits?.open_files?.soft)
  return Number.isNaN(soft) ? Number.POSITIVE_INFINITY : soft
}
