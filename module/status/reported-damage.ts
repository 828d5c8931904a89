import type { ReportedInput } from '../settings/reported.ts'
import type { DamagedBlob } from './events.ts'

/** Damaged blobs that a report names, and repositories with each: some of 24 KB. */
const mostDamaged = 5
const mostHolders = 2

export function reportedDamage(damaged: readonly DamagedBlob[]): Pick<ReportedInput, 'damaged' | 'damagedOmitted'> {
  if (damaged.length === 0) return {}
  const told = damaged.slice(0, mostDamaged).map(({ digest, repositories }) => ({
    digest,
    repositories: repositories.slice(0, mostHolders)
  }))
  return { damaged: told, damagedOmitted: damaged.length - told.length }
}

/** Without names: every client token sees it on the page. */
export function describeDamage({ length }: readonly DamagedBlob[]): string {
  return `${length} ${length === 1 ? 'blob was' : 'blobs were'} damaged on the disk and moved aside; sync brings again what the parent has, and what was pushed here must be pushed again: "damaged" names the repositories`
}
