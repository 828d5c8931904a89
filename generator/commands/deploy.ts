import { pushSettings } from '../acr/push-settings.ts'
import { devicesOf, deviceOf, twinInterval, type CommonOptions, type Context } from '../context.ts'
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
import { lookForImages, makePlan, type DevicePlan } from '../plan/make.ts'
import { assertCurrent, readPlan } from '../plan/saved.ts'
import type { Device, Site } from '../site-file/site.ts'
import { assertValid } from '../validate/assert.ts'

export interface DeployOptions extends CommonOptions {
  readonly device?: readonly string[]
  readonly manifest?: string
  readonly plan?: string
  readonly template: string
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
  const planned = await plannedDevices(context, options, site)
  assertNothingRemoved(planned, options.allowRemove === true)
  await pushSettings(
    context,
    site,
    await context.secrets(site, 'read'),
    planned.map(({ device }) => device)
  )
  const hub = await context.hub(site)
  const progress = await context.progress()
  const failures: GeneratorError[] = []
  await atOnce(planned, devicesAtOnce, async (each) => {
    try {
      await deployOne(context, options, site, hub, progress, each)
    } catch (error) {
      // A device that is away keeps the others from nothing.
      if (!(error instanceof GeneratorError) || error.code === 'CANCELLED') throw error
      failures.push(error)
    }
  })
  throwAll(failures)
}

async function deployOne(
  context: Context,
  options: DeployOptions,
  site: Site,
  hub: Hub,
  progress: Progress,
  { device, manifest, current, planned }: DevicePlan
): Promise<void> {
  const total = modulesToRun(manifest).length
  const task = progress.begin(`deploying to ${device.id}`, total)
  try {
    // What is there already is not given again: edgeAgent would go through all of it.
    const same = planned.changes.length === 0
    const version = same
      ? (current.get('$edgeAgent')?.desiredVersion ?? 0)
      : await deploy(hub, device.id, manifest, options.allowRemove === true)
    const recreated = isRecreated(current, manifest, site.moduleName)
    let restarted = false
    if (options.wait) {
      const patience = { signal: context.io.signal, interval: twinInterval, timeout: options.timeout * 1000 }
      await waitForDeployment(hub, device.id, manifest, version, patience, ({ running, waiting }) => {
        task.advance(running.length, waiting.join(', ') || undefined)
      })
      const proxy = recreated ? proxyOf(manifest, site.moduleName) : undefined
      if (proxy !== undefined) {
        task.advance(total, `restarting ${proxy}, which looks up the registry's address only when it starts`)
        await restartProxy(hub, device.id, site.moduleName, proxy, patience)
        restarted = true
      }
    } else if (recreated)
      context.stderr.write(
        `${device.id}: the registry's container is made anew; restart its API proxy when it runs, or deploy without --no-wait\n`
      )
    task.end('done')
    const what = same ? 'nothing to change; ' : ''
    const result = options.wait
      ? `${device.id}: ${what}runs ${total} modules of deployment version ${version}${restarted ? ', and its API proxy was restarted' : ''}`
      : `${device.id}: ${what}was given deployment version ${version}`
    progress.print(() => void context.stdout.write(`${result}\n`))
  } catch (error) {
    task.end('failed')
    throw error
  }
}

/** What each device is to get, compared with what it has; refused where it could not work out. */
async function plannedDevices(context: Context, options: DeployOptions, site: Site): Promise<readonly DevicePlan[]> {
  if (options.manifest !== undefined) {
    if (options.plan !== undefined) throw new GeneratorError('USAGE', '--plan and --manifest do not go together')
    return [await fromFile(context, options, options.manifest, site)]
  }
  const saved = options.plan === undefined ? undefined : await readPlan(options.plan, context.io.workingFolder)
  const inPlan = Object.keys(saved?.parts ?? {}).flatMap((part) =>
    part.startsWith('device ') ? [part.slice('device '.length)] : []
  )
  const devices = saved === undefined || options.device !== undefined ? chosen(site, options) : devicesOf(site, inPlan)
  const template = await readTemplate(options.template, context.io.workingFolder)
  const {
    plan,
    devices: planned,
    missing,
    warnings
  } = await makePlan(context, site, {
    registry: false,
    images: options.imageCheck,
    devices,
    template,
    ...(saved === undefined ? {} : { unmade: saved.unmade }),
    complete: true
  })
  for (const warning of warnings) context.stderr.write(`${warning}\n`)
  if (saved !== undefined) assertCurrent(saved, plan)
  assertImages(site, missing)
  return planned
}

/** The devices named, or the only one there is: nobody deploys to a whole site by leaving something out. */
function chosen(site: Site, options: DeployOptions): readonly Device[] {
  return options.device === undefined ? [deviceOf(site, undefined)] : devicesOf(site, options.device)
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
  assertArtifact(site, device, manifest, file)
  const secrets = await context.secrets(site, 'read')
  if (options.imageCheck)
    assertImages(site, await lookForImages(await context.content(site), site, secrets, [manifest]))
  const current = await readCurrent(await context.hub(site), device.id, manifest)
  const fingerprints = new Fingerprints(secrets.values())
  const planned = planDevice(device.id, current, manifest, site.moduleName, fingerprints, formatManifest(manifest))
  return { device, manifest, current, planned }
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

/** @throws {GeneratorError} `MODULES_WOULD_GO`, before anything is given to any device */
function assertNothingRemoved(planned: readonly DevicePlan[], allowRemove: boolean): void {
  if (allowRemove) return
  const losses = planned.flatMap(({ device, current, manifest }: DevicePlan & { manifest: DeploymentManifest }) => {
    const gone = removedModules(current, manifest)
    return gone.length === 0 ? [] : [`${device.id} would lose ${gone.join(', ')}`]
  })
  const [first, ...others] = losses
  if (first === undefined) return
  throw new GeneratorError(
    'MODULES_WOULD_GO',
    `${first}, which this manifest does not have. Add to the template what has to stay, or say --allow-remove`,
    { details: others.map((loss) => `MODULES_WOULD_GO ${loss}`) }
  )
}
