import type { Context } from '../context.ts'
import type { GeneratorErrorCode } from '../errors.ts'
import { GeneratorError } from '../errors.ts'
import type { FleetTwins } from '../fleet/read.ts'
import type { Device, Relay, Site } from '../site-file/site.ts'
import type { Change } from '../plan/plan.ts'

/** Codes of what a check finds beside differences from the site file, which have those of a plan. Released ones stay. */
export const findingCodes = {
  C101: 'password expires soon',
  C102: 'password has expired',
  C103: 'token is not as it is kept, in the cloud registry or on a device',
  C104: 'token that the site file no longer has',
  C201: 'settings not applied yet',
  C202: 'settings refused',
  C203: 'deployment not taken yet',
  C204: 'deployment refused or failed',
  C205: 'device has reported nothing',
  C206: 'settings have a second owner',
  C207: 'automatic deployment in the way of another deployment'
} as const
export type FindingCode = keyof typeof findingCodes | Change['code']

/** One thing that is not as the site file says, or soon will not be. Holds no secret. */
export interface CheckFinding {
  readonly code: FindingCode
  /** `warning` is news, and no difference: it does not change how the command ends. */
  readonly severity: 'difference' | 'warning'
  /** Where: `registry`, `device <id>`, `deployment <name>` or `passwords`. */
  readonly part: string
  readonly message: string
}

/** What checks look at. */
export interface CheckScope {
  readonly devices: readonly (Device | Relay)[]
  readonly template: string
  /** Days ahead for which passwords are looked at. */
  readonly days: number
  readonly imageCheck: boolean
  readonly now: Date
  /** Of `devices`, read once for all checks. */
  readonly twins: FleetTwins
}

/** One way of looking; they run in turn, and what one cannot look at does not keep the next from it. */
export interface Check {
  readonly name: string
  run(context: Context, site: Site, scope: CheckScope): Promise<readonly CheckFinding[]>
}

export interface Checked {
  readonly findings: readonly CheckFinding[]
  /** Checks that could not be made, with their reasons. */
  readonly failures: readonly GeneratorError[]
}

/** What ends all checks at once: where nobody is signed in, or nothing can be read, the next one has no chance either. */
const fatal: ReadonlySet<GeneratorErrorCode> = new Set<GeneratorErrorCode>([
  'CANCELLED',
  'SITE_INVALID',
  'SITE_UNREADABLE',
  'SECRETS_INVALID'
])

export async function runChecks(
  checks: readonly Check[],
  context: Context,
  site: Site,
  scope: CheckScope,
  tell: (name: string) => void
): Promise<Checked> {
  const findings: CheckFinding[] = []
  const failures: GeneratorError[] = []
  for (const check of checks) {
    tell(check.name)
    try {
      findings.push(...(await check.run(context, site, scope)))
    } catch (error) {
      if (!(error instanceof GeneratorError) || fatal.has(error.code)) throw error
      failures.push(error)
    }
  }
  return { findings, failures }
}
