import { automaticContent } from '../automatic/content.ts'
import { settingsOf } from '../automatic/own-settings.ts'
import { secondOwners, secondOwnerSentence } from '../automatic/owners.ts'
import { deviceRefusal } from '../automatic/alone.ts'
import { formerChanges } from '../automatic/former.ts'
import { planAutomatic, type AutomaticPlan } from '../automatic/plan.ts'
import type { Context } from '../context.ts'
import { wantedOf } from '../acr/wanted.ts'
import { formatManifest, generateManifest, type DeploymentManifest } from '../deployment/generate.ts'
import type { Template } from '../deployment/template.ts'
import type { GeneratorError } from '../errors.ts'
import { FleetTwins } from '../fleet/read.ts'
import { atOnce } from '../hub/at-once.ts'
import type { Hub, HubTwin } from '../hub/hub.ts'
import { leftTokens, leftTokensSentence } from '../rotation/left-tokens.ts'
import { withRevocations } from '../secrets/revoked.ts'
import type { Secrets } from '../secrets/store.ts'
import { hasRegistry } from '../site-file/has-registry.ts'
import {
  automaticDeploymentOf,
  type AutomaticDeployment,
  type Device,
  type Relay,
  type Site
} from '../site-file/site.ts'
import { assertValid } from '../validate/assert.ts'
import { planDevice, planOwnSettings, readCurrent, type CurrentTwins } from './device.ts'
import { Fingerprints } from './fingerprints.ts'
import { imageChanges, missingImages, neededImages, type MissingImage } from './images.ts'
import { keepLogin } from './kept-login.ts'
import { loginsOf, lookForDeclared } from './look-for-images.ts'
import type { Change, Plan, PlannedPart } from './plan.ts'
import { HashedSecrets, PlanningSecrets } from './planning-secrets.ts'
import { planRegistry, registryPart } from './registry.ts'

/** What a plan is to look at. */
export interface PlanScope {
  readonly registry: boolean
  readonly images: boolean
  /** Those of automatic deployments among them are looked at for what `configure` would change. */
  readonly devices: readonly (Device | Relay)[]
  readonly deployments: readonly AutomaticDeployment[]
  readonly template: Template
  /** Whether every password must be there: a deployment cannot go out with one that is yet to be made. */
  readonly complete?: boolean
  /** Tokens whose passwords a saved plan did not know yet: what has been made of them since is no change. */
  readonly unmade?: readonly string[]
  /** Where they are read for others too; each device's own are read one by one otherwise, as new as they can be. */
  readonly twins?: FleetTwins
}

/** A device's part of a plan, with what a deployment needs of it. */
export interface DevicePlan {
  readonly device: Device | Relay
  readonly manifest: DeploymentManifest
  readonly current: CurrentTwins
  readonly planned: PlannedPart
}

export interface MadePlan {
  readonly plan: Plan
  readonly devices: readonly DevicePlan[]
  readonly deployments: readonly AutomaticPlan[]
  /** Those of deployments: a device would wait for them in vain. */
  readonly missing: readonly MissingImage[]
  /** What `validate` has to say of the manifests, a line each. */
  readonly warnings: readonly string[]
  /** Why it could not be carried out as it stands. */
  readonly refusals: readonly Refusal[]
}

/** Why a part of a plan could not be carried out. */
export interface Refusal {
  readonly part: string
  readonly error: GeneratorError
}

/** Twins read at the same time: far below what a hub allows, and enough to hide the way there. */
const readsAtOnce = 8

/**
 * Compares the world with a site. Reads only.
 *
 * @throws {GeneratorError} `VALIDATION_FAILED` where a device would refuse its manifest, and refusals of Azure
 */
export async function makePlan(context: Context, site: Site, scope: PlanScope): Promise<MadePlan> {
  const store = await context.secrets(site, 'read')
  const secrets = new PlanningSecrets(store, scope.unmade ?? [])
  const fingerprints = new Fingerprints(store.values())
  const parts: PlannedPart[] = []
  const refusals: Refusal[] = []
  const warnings: string[] = []
  if (scope.registry) {
    const wanted = wantedOf(withRevocations(site, store))
    const planned = await planRegistry(await context.acr(site), wanted, store, store.place)
    parts.push(planned)
    refusals.push(...planned.refusals.map((error) => ({ part: registryPart, error })))
    const left = await leftTokens(site, store, await context.acr(site))
    if (left.length > 0) warnings.push(`warning registry: ${leftTokensSentence(left, site.azure.registry)}`)
  }
  const alone = scope.devices.filter(({ id }) => automaticDeploymentOf(site, id) === undefined)
  const made = alone.map((device) => manifestsOf(site, device, scope, store, secrets))
  const complete = scope.complete === true ? store : new PlanningSecrets(store)
  const contents = scope.deployments.map((deployment) => ({
    deployment,
    content: automaticContent(site, deployment, scope.template, { secrets: complete, now: new Date() })
  }))
  warnings.push(
    ...made.flatMap(({ device, manifest }) =>
      assertValid(formatManifest(manifest), `the deployment manifest of ${device.id}`, site)
    )
  )
  const needed = neededImages(
    site,
    [
      ...made.map(({ device, manifest }) => ({ devices: [device], manifest })),
      ...contents.map(({ deployment, content }) => ({
        devices: devicesOf(site, deployment),
        manifest: content.base.content
      }))
    ],
    loginsOf(store)
  )
  const missing = scope.images ? await missingImages(await context.content(site), needed) : []
  const declared =
    scope.images && scope.registry
      ? await lookForDeclared(await context.content(site), site, store, needed)
      : { missing: [], warnings: [] }
  warnings.push(...declared.warnings)
  const devices =
    made.length === 0 ? [] : await planDevices(await context.hub(site), site, made, scope.twins, fingerprints)
  parts.push(...devices.map(({ planned }) => planned))
  for (const { device, current, planned } of devices) {
    const error = deviceRefusal(device.id, current.get('$edgeAgent'))
    if (error !== undefined) refusals.push({ part: planned.part, error })
  }
  const fleet = scope.twins ?? new FleetTwins(() => context.hub(site), idsFor(scope, site))
  const agents = (): ReturnType<FleetTwins['of']> => fleet.of('$edgeAgent')
  const deployments: AutomaticPlan[] = []
  for (const { deployment, content } of contents) {
    const hub = await context.hub(site)
    deployments.push(await planAutomatic(hub, agents, deployment, content, site.moduleName, fingerprints))
  }
  for (const { planned, refusals: why } of deployments) {
    parts.push(planned)
    refusals.push(...why.map((error) => ({ part: planned.part, error })))
  }
  const shared = scope.devices.filter((device) => !alone.includes(device)).filter(hasRegistry)
  if (shared.length > 0) {
    warnings.push(...(await overwritten(await context.hub(site), site, shared, await agents())))
    parts.push(...(await planSettings(await context.hub(site), site, shared, scope.twins, complete, fingerprints)))
  }
  const former = scope.registry
    ? await planFormer(context, site, devices, shared.length === 0 ? new Map() : await agents())
    : []
  const plan: Plan = {
    schemaVersion: '1.0',
    registry: site.loginServer,
    hub: site.hubHost,
    changes: [
      ...imageChanges([...missing, ...declared.missing]),
      ...parts.flatMap(({ changes }) => changes),
      ...former
    ].sort(byPart),
    parts: Object.fromEntries(parts.map(({ part, state }) => [part, state])),
    unmade: secrets.unmade
  }
  return { plan, devices, deployments, missing, warnings, refusals }
}

interface Made {
  readonly device: Device | Relay
  readonly manifest: DeploymentManifest
  readonly identity: DeploymentManifest
}

function manifestsOf(
  site: Site,
  device: Device | Relay,
  { template, complete }: PlanScope,
  store: Secrets,
  secrets: PlanningSecrets
): Made {
  const now = new Date()
  return {
    device,
    manifest: generateManifest(site, device, template, {
      secrets: complete === true ? store : new PlanningSecrets(store),
      now
    }),
    // The same with hashes in place of passwords: what is saved of it says nothing about them.
    identity: generateManifest(site, device, template, { secrets: new HashedSecrets(secrets), now })
  }
}

async function planDevices(
  hub: Hub,
  site: Site,
  made: readonly Made[],
  twins: FleetTwins | undefined,
  fingerprints: Fingerprints
): Promise<DevicePlan[]> {
  return atOnce(made, readsAtOnce, async ({ device, manifest: generated, identity }) => {
    const current = await readCurrent(hub, device.id, generated, twins)
    const manifest = keepLogin(current, generated, site.moduleName)
    const planned = planDevice(device.id, current, manifest, site.moduleName, fingerprints, identity)
    return { device, manifest, current, planned }
  })
}

/** Settings that somebody else's automatic deployment sets on these devices too: what one brings, the other takes away. */
async function overwritten(
  hub: Hub,
  site: Site,
  devices: readonly Device[],
  agents: ReadonlyMap<string, HubTwin>
): Promise<readonly string[]> {
  const found = await secondOwners(site, devices, agents, () => hub.configurations())
  return found.map((each) => `warning ${each.device}: ${secondOwnerSentence(each, site.moduleName)}`)
}

/** Automatic deployments that the site file had, as far as the devices that were looked at have them. */
async function planFormer(
  context: Context,
  site: Site,
  alone: readonly DevicePlan[],
  shared: ReadonlyMap<string, HubTwin>
): Promise<readonly Change[]> {
  const agents = new Map(shared)
  for (const { device, current } of alone) {
    const agent = current.get('$edgeAgent')
    if (agent !== undefined) agents.set(device.id, agent)
  }
  if (agents.size === 0) return []
  const hub = await context.hub(site)
  return formerChanges(hub, site, agents, () => hub.configurations())
}

/** Whose twins are read: of all devices, where an automatic deployment is looked at by itself. */
function idsFor({ devices }: PlanScope, site: Site): readonly string[] {
  return devices.length > 0 ? devices.map(({ id }) => id) : [...Object.keys(site.devices), ...Object.keys(site.relays)]
}

/** What `configure` would change in the twins of devices whose modules an automatic deployment brings. */
async function planSettings(
  hub: Hub,
  site: Site,
  devices: readonly Device[],
  twins: FleetTwins | undefined,
  secrets: Secrets,
  fingerprints: Fingerprints
): Promise<PlannedPart[]> {
  const wanted = settingsOf(site, { secrets, now: new Date() })
  const read = await twins?.of(site.moduleName)
  return atOnce(devices, readsAtOnce, async (device) => {
    const twin = read === undefined ? await hub.twin(device.id, site.moduleName) : read.get(device.id)
    const { settings, own } = wanted(device)
    return planOwnSettings(device.id, site.moduleName, twin, own(twin?.desired ?? {}), settings, fingerprints)
  })
}

function devicesOf(site: Site, { devices }: AutomaticDeployment): Device[] {
  return devices.flatMap((id) => site.devices[id] ?? [])
}

/** The registry first, as it has to be; the rest keeps its order. */
function byPart(a: { readonly part: string }, b: { readonly part: string }): number {
  return Number(b.part === registryPart) - Number(a.part === registryPart)
}
