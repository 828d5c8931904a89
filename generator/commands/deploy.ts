import { deviceOf, twinInterval, type CommonOptions, type Context } from '../context.ts'
import { formatManifest, generateManifest, type DeploymentManifest } from '../deployment/generate.ts'
import { parseManifest, readManifestText } from '../deployment/read-manifest.ts'
import { mapStrings } from '../deployment/references.ts'
import { readTemplate } from '../deployment/template.ts'
import { deploy, modulesToRun, waitForDeployment } from '../hub/deploy.ts'
import type { Device, Site } from '../site-file/site.ts'
import { assertValid } from '../validate/assert.ts'

export interface DeployOptions extends CommonOptions {
  readonly device?: string
  readonly manifest?: string
  readonly template: string
  readonly allowRemove?: boolean
  readonly wait: boolean
  /** Seconds. */
  readonly timeout: number
}

/** Gives one device its deployment manifest, and waits until it runs. */
export async function deployCommand(context: Context, options: DeployOptions): Promise<void> {
  const site = await context.site()
  const device = deviceOf(site, options.device)
  const manifest = await manifestFor(context, options, site, device)
  const hub = await context.hub(site)
  const total = modulesToRun(manifest).length
  const progress = await context.progress()
  const task = progress.begin(`deploying to ${device.id}`, total)
  try {
    const version = await deploy(hub, device.id, manifest, options.allowRemove === true)
    if (options.wait) {
      const patience = { signal: context.io.signal, interval: twinInterval, timeout: options.timeout * 1000 }
      await waitForDeployment(hub, device.id, manifest, version, patience, ({ running, waiting }) => {
        task.advance(running.length, waiting.join(', ') || undefined)
      })
    }
    task.end('done')
    const result = options.wait
      ? `${device.id} runs ${total} modules of deployment version ${version}`
      : `${device.id} was given deployment version ${version}`
    progress.print(() => void context.stdout.write(`${result}\n`))
  } catch (error) {
    task.end('failed')
    throw error
  }
}

async function manifestFor(
  context: Context,
  options: DeployOptions,
  site: Site,
  device: Device
): Promise<DeploymentManifest> {
  if (options.manifest === undefined) {
    const template = await readTemplate(options.template, context.io.workingFolder)
    const secrets = await context.secrets(site, 'read')
    const made = generateManifest(site, device, template, { secrets, now: new Date() })
    check(context, site, formatManifest(made), `the deployment manifest of ${device.id}`)
    return made
  }
  const text = await readManifestText(options.manifest, context.io.workingFolder)
  const manifest = parseManifest(text, options.manifest)
  // Its passwords need not be those kept here; a refusal by the hub may quote them.
  mapStrings(manifest, (value, path) => {
    if (path.at(-1) === 'password') context.redaction.add(value)
    context.redaction.add(/SyncTokenPassword=([^;]+)/.exec(value)?.[1] ?? '')
    return value
  })
  check(context, site, text, options.manifest)
  return manifest
}

/** @throws {GeneratorError} `VALIDATION_FAILED` where the device would refuse it */
function check(context: Context, site: Site, text: string, name: string): void {
  for (const warning of assertValid(text, name, site)) context.stderr.write(`${warning}\n`)
}
