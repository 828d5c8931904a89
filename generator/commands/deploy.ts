import { pushSettings } from '../acr/push-settings.ts'
import type { AutomaticPlan } from '../automatic/plan.ts'
import { deviceRefusal } from '../automatic/alone.ts'
import { rollOut } from '../automatic/rollout.ts'
import { allDevicesOf, anyDeviceOf, twinInterval, type CommonOptions, type Context } from '../context.ts'
import { formatManifest, type DeploymentManifest } from '../deployment/generate.ts'
import { parseManifest, readManifestText } from '../deployment/read-manifest.ts'
import { mapStrings } from '../deployment/references.ts'
import { artifactOf } from '../deployment/settings-artifact.ts'
import { isRecord, readTemplate } from '../deployment/template.ts'
import { GeneratorError, throwAll } from '../errors.ts'
import { atOnce } from '../hub/at-once.ts'
import { deploy, modulesToRun, waitForDeployment } from '../hub/deploy.ts'
import type { Hub } from '../hub/hub.ts'
import { proxyOf, restartProxy } from '../hub/restart-proxy.ts'
import type { Progress } from '../output/progress.ts'
import { isRecreated, planDevice, readCurrent, removedModules } from '../plan/device.ts'
import { Fingerprints } from '../plan/fingerprints.ts'
import { assertImages } from '../plan/images.ts'
import { lookForImages } from '../plan/look-for-images.ts'
import { makePlan, type DevicePlan } from '../plan/make.ts'
import { assertCurrent, readPlan } from '../plan/saved.ts'
import { hasRegistry } from '../site-file/has-registry.ts'
import {
  automaticDeploymentOf,
  type AutomaticDeployment,
  type Device,
  type Relay,
  type Site
} from '../site-file/site.ts'
import { assertValid } from '../validate/assert.ts'
import { retireNamed } from './retire.ts'

export interface DeployOptions extends CommonOptions {
  readonly device?: readonly string[]
  /** Automatic deployments, by name. */
  readonly deployment?: readonly string[] | undefined
  readonly mayFail: number
  readonly manifest?: string
  readonly plan?: string
  readonly template: string
  /** For modules that the template names without one. */
  readonly platform?: string
  readonly allowRemove?: boolean
  /** commander's `--no-image-check` */
  readonly imageCheck: boolean
  readonly wait: boolean
  /** Seconds. */
  readonly timeout: number
}

/** Devices deployed to at the same time; each is waited for by itself, and a hub takes 20 deployments a minute. */
const devicesAtOnce = 20

/** Gives devices their deployment manifests, and waits until they run. */
export async function deployCommand(context: Context, options: DeployOptions): Promise<void> {
  const site = await context.site()
  if (options.manifest !== undefined && (options.plan !== undefined || options.deployment !== undefined))
    throw new GeneratorError('USAGE', '--manifest goes with neither --plan nor --deployment')
  const deployment = await retireNamed(context, site, options)
  if (deployment?.length === 0 && options.device === undefined) return
  const { devices, deployments } = await planned(context, { ...options, deployment }, site)
  assertNothingTaken(deployments, options.allowRemove === true)
  assertNothingRemoved(devices, deployments, options.allowRemove === true)
  await pushSettings(
    context,
    site,
    await context.secrets(site, 'read'),
    // Those of automatic deployments are told of theirs by configure; it is there by then, whoever comes first.
    [
      ...devices.map(({ device }) => device).filter(hasRegistry),
      ...deployments.flatMap(({ deployment }) => deployment.devices.flatMap((id) => site.devices[id] ?? []))
    ]
  )
  const hub = await context.hub(site)
  const progress = await context.progress()
  const failures: GeneratorError[] = []
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      // A device that is away keeps the others from nothing.
      if (!(error instanceof GeneratorError) || error.code === 'CANCELLED') throw error
      failures.push(error)
    }
  }
  await atOnce(devices, devicesAtOnce, (each) => attempt(() => deployOne(context, options, site, hub, progress, each)))
  for (const each of deployments) await attempt(() => deployAtScale(context, options, hub, progress, each))
  throwAll(failures)
}

async function deployOne(
  context: Context,
  options: DeployOptions,
  site: Site,
  hub: Hub,
  progress: Progress,
  { device, manifest, current, planned: { changes } }: DevicePlan
): Promise<void> {
  const total = modulesToRun(manifest).length
  const task = progress.begin(`deploying to ${device.id}`, total)
  try {
    // What is there already is not given again: edgeAgent would go through all of it.
    const same = changes.length === 0
    const version = same
      ? (current.get('$edgeAgent')?.desiredVersion ?? 0)
      : await deploy(hub, device.id, manifest, options.allowRemove === true)
    const recreated = hasRegistry(device) && isRecreated(current, manifest, site.moduleName)
    let restarted = ''
    if (options.wait) {
      const patience = { signal: context.io.signal, interval: twinInterval, timeout: options.timeout * 1000 }
      await waitForDeployment(hub, device.id, manifest, version, patience, ({ running, waiting }) => {
        task.advance(running.length, waiting.join(', ') || undefined)
      })
      const proxy = recreated ? proxyOf(manifest, site.moduleName) : undefined
      if (proxy !== undefined) {
        task.advance(total, `restarting ${proxy.name}, which looks up the registry's address only when it starts`)
        const unseen = await restartProxy(hub, device.id, site.moduleName, proxy, patience)
        restarted =
          unseen === undefined ? ', and its API proxy was restarted and leads to the registry' : restartedUnseen
        if (unseen !== undefined)
          context.stderr.write(
            `${device.id}: whether the registry answers on /v2/ through ${proxy.name} could not be looked at: ${unseen}\n`
          )
      }
    } else if (recreated)
      context.stderr.write(
        `${device.id}: the registry's container is made anew; restart its API proxy when it runs, or deploy without --no-wait\n`
      )
    task.end('done')
    const what = same ? 'nothing to change; ' : ''
    const result = options.wait
      ? `${device.id}: ${what}runs ${total} modules of deployment version ${version}${restarted}`
      : `${device.id}: ${what}was given deployment version ${version}`
    progress.print(() => void context.stdout.write(`${result}\n`))
  } catch (error) {
    task.end('failed')
    throw error
  }
}

const restartedUnseen = ', and its API proxy was restarted'

/** Rolls out an automatic deployment, and waits until its devices have it. */
async function deployAtScale(
  context: Context,
  options: DeployOptions,
  hub: Hub,
  progress: Progress,
  { deployment, content }: AutomaticPlan
): Promise<void> {
  const task = progress.begin(`rolling out ${deployment.name}`, deployment.devices.length)
  const patience = { signal: context.io.signal, timeout: options.wait ? options.timeout * 1000 : 0 }
  try {
    const done = await rollOut(hub, deployment, content, options.mayFail, patience, ({ targeted, successful }) => {
      task.total(Math.max(1, targeted))
      task.advance(successful)
    })
    task.end('done')
    if (done.targeted !== deployment.devices.length)
      context.stderr.write(
        `${deployment.name}: the target condition holds on ${done.targeted} devices, and the site file has ${deployment.devices.length} for it\n`
      )
    const result = `${deployment.name}: ${done.outcome}; ${done.successful} of ${done.targeted} devices run ${done.id}. What is each device's own is for causeway configure`
    progress.print(() => void context.stdout.write(`${result}\n`))
  } catch (error) {
    const away = error instanceof GeneratorError && error.code === 'TIMED_OUT' && !options.wait
    task.end(away ? 'done' : 'failed')
    if (!away) throw error
    progress.print(
      () => void context.stdout.write(`${deployment.name}: is given to its devices as ${content.base.id}\n`)
    )
  }
}

interface Planned {
  readonly devices: readonly DevicePlan[]
  readonly deployments: readonly AutomaticPlan[]
}

/** What each device is to get, compared with what it has; refused where it could not work out. */
async function planned(context: Context, options: DeployOptions, site: Site): Promise<Planned> {
  if (options.manifest !== undefined)
    return { devices: [await fromFile(context, options, options.manifest, site)], deployments: [] }
  const saved = options.plan === undefined ? undefined : await readPlan(options.plan, context.io.workingFolder)
  const inPlan = (kind: string): string[] =>
    Object.keys(saved?.parts ?? {}).flatMap((part) => (part.startsWith(kind) ? [part.slice(kind.length)] : []))
  const all = saved !== undefined && options.device === undefined && options.deployment === undefined
  const devices = all
    ? known(site, inPlan('device ')).filter(({ id }) => automaticDeploymentOf(site, id) === undefined)
    : chosen(site, options)
  const named = all ? inPlan('deployment ') : (options.deployment ?? [])
  const template = await readTemplate(options.template, context.io.workingFolder, {
    env: context.io.env,
    platform: options.platform
  })
  const { plan, missing, warnings, refusals, ...made } = await makePlan(context, site, {
    registry: false,
    images: options.imageCheck,
    devices,
    deployments: named.map((name) => deploymentNamed(site, name)),
    template,
    ...(saved === undefined ? {} : { unmade: saved.unmade }),
    complete: true
  })
  for (const warning of warnings) context.stderr.write(`${warning}\n`)
  if (saved !== undefined) assertCurrent(saved, plan)
  assertImages(site, missing)
  throwAll(refusals.map(({ error }) => error))
  return made
}

/** The devices of a plan that the site still has; the others are told with what is stale. */
function known(site: Site, ids: readonly string[]): readonly (Device | Relay)[] {
  return ids.flatMap((id) => site.devices[id] ?? site.relays[id] ?? [])
}

function deploymentNamed(site: Site, name: string): AutomaticDeployment {
  const found = Object.hasOwn(site.deployments, name) ? site.deployments[name] : undefined
  if (found !== undefined) return found
  const names = Object.keys(site.deployments).join(', ') || 'none'
  throw new GeneratorError('USAGE', `the site file has no deployment ${name}; it has ${names}`)
}

/** The devices named, or the only one there is: nobody deploys to a whole site by leaving something out. */
function chosen(site: Site, options: DeployOptions): readonly (Device | Relay)[] {
  if (options.device === undefined && options.deployment !== undefined) return []
  const devices = options.device === undefined ? [anyDeviceOf(site, undefined)] : allDevicesOf(site, options.device)
  for (const { id } of devices) {
    const deployment = automaticDeploymentOf(site, id)
    if (deployment !== undefined)
      throw new GeneratorError(
        'DEPLOYMENT_MIXED',
        `${id} belongs to the automatic deployment ${deployment.name}; deploy with --deployment ${deployment.name}`
      )
  }
  return devices
}

async function fromFile(context: Context, options: DeployOptions, file: string, site: Site): Promise<DevicePlan> {
  const devices = chosen(site, options)
  const [device] = devices
  if (device === undefined || devices.length > 1)
    throw new GeneratorError('USAGE', '--manifest is for one device; name it with --device')
  const text = await readManifestText(file, context.io.workingFolder)
  const manifest = parseManifest(text, file)
  // Its passwords need not be those kept here; a refusal by the hub may quote them.
  mapStrings(manifest, (value, path) => {
    if (path.at(-1) === 'password') context.redaction.add(value)
    context.redaction.add(/SyncTokenPassword=([^;]+)/.exec(value)?.[1] ?? '')
    return value
  })
  for (const warning of assertValid(text, file, site)) context.stderr.write(`${warning}\n`)
  if (hasRegistry(device)) assertArtifact(site, device, manifest, file)
  const secrets = await context.secrets(site, 'read')
  if (options.imageCheck)
    assertImages(
      site,
      await lookForImages(await context.content(site), site, secrets, [{ devices: [device], manifest }])
    )
  const current = await readCurrent(await context.hub(site), device.id, manifest)
  const refusal = deviceRefusal(device.id, current.get('$edgeAgent'))
  if (refusal !== undefined) throw refusal
  const fingerprints = new Fingerprints(secrets.values())
  const part = planDevice(device.id, current, manifest, site.moduleName, fingerprints, formatManifest(manifest))
  return { device, manifest, current, planned: part }
}

/** @throws {GeneratorError} `MANIFEST_INVALID` where settings go on in an artifact that is another than the one to push */
function assertArtifact(site: Site, device: Device, manifest: DeploymentManifest, file: string): void {
  const settings = manifest.modulesContent[site.moduleName]?.['properties.desired']
  const named =
    isRecord(settings) && isRecord(settings['settingsArtifact']) ? settings['settingsArtifact']['digest'] : undefined
  if (named !== undefined && named !== artifactOf(site, device)?.digest)
    throw new GeneratorError(
      'MANIFEST_INVALID',
      `${file} was made from another site file: its settings go on in an artifact that this one does not give; generate it again`
    )
}

/** @throws {GeneratorError} `DEPLOYMENT_MIXED`, before anything is given to any device */
function assertNothingTaken(deployments: readonly AutomaticPlan[], allowRemove: boolean): void {
  const [taken] = allowRemove ? [] : deployments.filter(({ others }) => others > 0)
  if (taken !== undefined)
    throw new GeneratorError(
      'DEPLOYMENT_MIXED',
      `the automatic deployment ${taken.deployment.name} of the hub is for ${taken.others} devices that the site file does not have, as another site's of this name would be. Call this one otherwise in the site file, or say --allow-remove to replace it`
    )
}

/** @throws {GeneratorError} `MODULES_WOULD_GO`, before anything is given to any device */
function assertNothingRemoved(
  devices: readonly DevicePlan[],
  deployments: readonly AutomaticPlan[],
  allowRemove: boolean
): void {
  if (allowRemove) return
  const losses = [
    ...devices.map(({ device, current, manifest }) => [device.id, removedModules(current, manifest)] as const),
    ...deployments.map(({ deployment, lost }) => [`the devices of ${deployment.name}`, lost] as const)
  ].flatMap(([who, gone]) => (gone.length === 0 ? [] : [`${who} would lose ${gone.join(', ')}`]))
  const [first, ...others] = losses
  if (first === undefined) return
  throw new GeneratorError(
    'MODULES_WOULD_GO',
    `${first}, which this manifest does not have. Add to the template what has to stay, or say --allow-remove`,
    { details: others.map((loss) => `MODULES_WOULD_GO ${loss}`) }
  )
}
