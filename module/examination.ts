import { disk, hub, names, proxy, volume, type Hub } from './doctor/checks.ts'
import { examine, type Check, type Finding } from './doctor/doctor.ts'
import { parentChecks, type ParentAnswer } from './doctor/parent-checks.ts'
import { findObstacle } from './data-folder.ts'
import { reserveWithoutSettings } from './disk-watch.ts'
import type { KnownSettings } from './known-settings.ts'
import type { Log } from './log/log.ts'
import { ParentError } from './parent/errors.ts'
import { proxyFor } from './parent/outbound.ts'
import { createParent } from './parent/parent.ts'
import type { Environment } from './settings/environment.ts'
import { resolveParent, type ParentProblem, type ParentSettings } from './settings/parent.ts'
import { readModuleIdentity } from './twin/environment.ts'
import { fetchTrustBundle } from './twin/workload.ts'
import { version } from './version.ts'

export interface ExaminationParts {
  readonly environment: Environment
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly settings: KnownSettings
  readonly log: Log
}

/**
 * Looks at everything that this module needs of its device and its network: the volume, the disk, the outbound proxy, names, the
 * parent, its credentials, the clock, the hub and the settings. Nothing is changed but that a data folder is made where there is
 * none, and no credential is told.
 */
export function examineModule(parts: ExaminationParts, signal?: AbortSignal): Promise<readonly Finding[]> {
  const { environment, variables, settings } = parts
  const parent = resolveParent(environment, settings)
  const url = parent && 'origin' in parent ? (URL.parse(parent.origin) ?? undefined) : undefined
  const proxyOfParent = (): URL | undefined => url && proxyFor(variables, url)
  const edgeHub = environment.source.kind === 'twin' ? edgeHubOf(variables) : undefined
  const checks: readonly Check[] = [
    volume(environment.dataFolder, () => findObstacle(environment.dataFolder)),
    disk(environment.dataFolder, (settings.reserveMebibytes ?? reserveWithoutSettings) * 1024 * 1024),
    proxy(proxyOfParent),
    names(url?.hostname, () => proxyOfParent() !== undefined),
    ...parentChecks(parent && ((limit) => askParent(parent, edgeHub, parts, limit))),
    hub(edgeHub),
    { name: 'settings', look: () => Promise.resolve(settings.verdict) }
  ]
  return examine(checks, signal === undefined ? {} : { signal })
}

function edgeHubOf(variables: ExaminationParts['variables']): Hub {
  const identity = readModuleIdentity(variables)
  return {
    host: identity.gatewayHostName ?? identity.iothubHostName,
    trustBundle: (signal) => fetchTrustBundle(identity.workloadUri, signal)
  }
}

/** With connections of its own: those of the sync may still live where new ones cannot be made. */
async function askParent(
  named: ParentSettings | ParentProblem,
  edgeHub: Hub | undefined,
  { variables, log }: ExaminationParts,
  signal: AbortSignal
): Promise<ParentAnswer> {
  if ('problem' in named) return { host: '', trouble: { code: 'PARENT_INVALID', message: named.problem } }
  const { origin, tokenName, password, otherCredentials } = named
  const { host } = new URL(origin)
  // That the workload API does not answer is the hub's finding.
  const trustBundle = await edgeHub?.trustBundle(signal).catch(() => undefined)
  let skewSeconds: number | undefined
  const parent = createParent({
    origin,
    tokenName,
    password,
    otherCredentials,
    extraCertificates: trustBundle,
    environment: variables,
    userAgent: `causeway/${version}`,
    onClock: (parentAhead) => (skewSeconds = -parentAhead),
    log
  })
  try {
    await parent.check(signal)
    return { host, skewSeconds }
  } catch (error) {
    if (!(error instanceof ParentError)) throw error
    return { host, skewSeconds, trouble: { code: error.code, message: error.message } }
  } finally {
    await parent.close()
  }
}
