import type * as UWebSockets from 'uWebSockets.js'
import { EpaxosError } from '../errors.ts'

export type { UWebSockets }

/**
 * Loads the native binary of the server. Rejects with an `EpaxosError` with code `unsupported_platform` if there is
 * none for this system. It is loaded late, so that everything that needs no server (the engine, the client) works there
 * nevertheless.
 */
export async function loadUWebSockets(
  load: () => Promise<{ default: unknown }> = () => import('uWebSockets.js'),
): Promise<typeof UWebSockets> {
  try {
    return (await load()).default as typeof UWebSockets
  } catch (cause) {
    const here = `${process.platform} ${process.arch}, Node.js ${process.versions.node}`
    const needs = 'Node.js 20 with glibc 2.27 or newer, or Node.js 22 or 24 with glibc 2.38 or newer'
    const why = `uWebSockets.js has no binary that runs here (${here}); it needs ${needs}`
    throw new EpaxosError('unsupported_platform', why, { cause })
  }
}
