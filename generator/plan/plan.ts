import { createHash } from 'node:crypto'
import { sortedKeys, type Difference } from './difference.ts'

/** What a change is about. Codes stay once they are released: pipelines filter by them. */
export const changeCodes = {
  P101: 'scope map',
  P102: 'token',
  P103: 'password',
  P104: 'image absent from the cloud registry',
  P105: 'data endpoint',
  P106: 'connected registry',
  P107: 'connected registry made anew',
  P108: 'anonymous pull of the cloud registry',
  P201: 'module added',
  P202: 'module changed',
  P203: 'module removed',
  P204: 'IoT Edge runtime',
  P205: 'edgeHub',
  P206: 'settings of a module',
  P207: 'registry container recreated',
  P301: 'automatic deployment added',
  P302: 'automatic deployment retired',
  P303: 'automatic deployment changed'
} as const
export type ChangeCode = keyof typeof changeCodes

/** One thing that would be done, or that stands otherwise than the site file says. Holds no secret. */
export interface Change {
  readonly code: ChangeCode
  readonly action: 'add' | 'change' | 'remove'
  /** Where: `registry`, `device <id>` or `deployment <name>`. */
  readonly part: string
  /** What: `scope map plant-readers`, `module camera`. */
  readonly subject: string
  /** Where it differs, in detail. */
  readonly differences: readonly Difference[]
  /** What somebody should know before they agree to it. */
  readonly warning?: string
}

/** What a part of the world is, and what it would be: both as fingerprints of everything that was compared. */
export interface PartState {
  readonly world: string
  readonly wanted: string
}

export interface Plan {
  readonly schemaVersion: '1.0'
  /** `mycontainerregistry001.azurecr.io` */
  readonly registry: string
  /** `causeway-hub.azure-devices.net` */
  readonly hub: string
  readonly changes: readonly Change[]
  readonly parts: Readonly<Record<string, PartState>>
  /** Tokens whose passwords are yet to be made by `provision`. */
  readonly unmade: readonly string[]
}

/** A part with what would change in it. */
export interface PlannedPart {
  readonly part: string
  readonly changes: readonly Change[]
  readonly state: PartState
}

/** The same document gives the same text, whatever the order of its keys. */
export function fingerprintOf(document: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sortedKeys(document)))
    .digest('hex')
    .slice(0, 32)
}
