import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { syncFolder, writeDurably } from '../../module/settings/durable-file.ts'
import { throwIfCancelled } from '../azure/wait.ts'
import type { Context } from '../context.ts'
import { bootstrapToml } from '../deployment/bootstrap.ts'
import { formatManifest, manifestMaker, type DeploymentManifest } from '../deployment/generate.ts'
import type { Template } from '../deployment/template.ts'
import { refuseInGit, writeOpenFile, writing } from '../deployment/write.ts'
import { GeneratorError, throwAll } from '../errors.ts'
import { atOnce } from '../hub/at-once.ts'
import { storedSlots, type Secrets } from '../secrets/store.ts'
import { hasRegistry } from '../site-file/has-registry.ts'
import type { Device, Relay, Site } from '../site-file/site.ts'
import { FleetValidator, type OwnTexts } from '../validate/fleet.ts'
import type { GenerateCommandOptions } from './generate.ts'

export interface Fleet {
  readonly site: Site
  readonly devices: readonly (Device | Relay)[]
  readonly template: Template
  readonly secrets?: Secrets
  readonly now: Date
}

/** Where manifests go, one by one: none is kept once it is there. */
interface Destination {
  /** What findings call a device's manifest. */
  fileOf(device: Device | Relay): string
  take(device: Device | Relay, manifest: DeploymentManifest, text: string): Promise<void>
  end(): Promise<void>
}

/** Files under way: enough to hide a disk's latency, and few enough to hold. */
const filesAtOnce = 8
/** Where everything is wrong with everybody, a few examples tell it. */
const mostTold = 20

/**
 * Makes the manifests of many devices, each validated before it is written. A device whose manifest cannot be made keeps the
 * others from nothing.
 *
 * @throws {GeneratorError} for the devices that have none, the first of them with its code
 */
export async function generateFleet(context: Context, options: GenerateCommandOptions, fleet: Fleet): Promise<void> {
  const { site, devices, template, secrets, now } = fleet
  const make = manifestMaker(site, template, { ...(secrets === undefined ? {} : { secrets }), now })
  const validator = new FleetValidator(site)
  const destination = options.output === '-' ? lines(context) : await folder(context, options, fleet)
  const progress = await context.progress()
  const task = progress.begin('generating', devices.length)
  const failures: GeneratorError[] = []
  let failed = 0
  let done = 0
  const step = Math.ceil(devices.length / 100)
  await atOnce(devices, filesAtOnce, async (device) => {
    throwIfCancelled(context.io.signal)
    try {
      const manifest = make(device)
      const text = formatManifest(manifest)
      const own = ownTexts(device, fleet)
      for (const warning of validator.assertValid(text, destination.fileOf(device), own))
        progress.print(() => void context.stderr.write(`${warning}\n`))
      await destination.take(device, manifest, text)
    } catch (error) {
      // A disk that is full is so for all.
      if (!(error instanceof GeneratorError) || error.code === 'CANCELLED' || error.code === 'OUTPUT_UNWRITABLE')
        throw error
      if (++failed <= mostTold) failures.push(error)
    }
    if (++done % step === 0) task.advance(done)
  })
  await destination.end()
  task.end(failed === 0 ? 'done' : 'failed')
  const [first] = failures
  if (first !== undefined && failed > mostTold)
    failures.push(new GeneratorError(first.code, `${failed - mostTold} more devices have no manifest either`))
  throwAll(failures)
}

function ownTexts(device: Device | Relay, { secrets, now }: Fleet): OwnTexts {
  if (!hasRegistry(device)) return { names: [device.id], passwords: [] }
  const { id, registryName, syncToken } = device
  const passwords = secrets === undefined ? [] : storedSlots(secrets, syncToken, now).map(({ secret }) => secret.value)
  return { names: [id, registryName, syncToken], passwords }
}

/** A line of JSON for each, at the pace of whoever reads them. */
function lines({ io: { stdout } }: Context): Destination {
  return {
    fileOf: (device) => `the deployment manifest of ${device.id}`,
    take: async (device, manifest) => {
      if (!stdout.write(`${JSON.stringify({ device: device.id, manifest })}\n`)) await once(stdout, 'drain')
    },
    end: () => Promise.resolve()
  }
}

async function folder(context: Context, options: GenerateCommandOptions, fleet: Fleet): Promise<Destination> {
  const { site, devices, secrets, now } = fleet
  const name = options.output ?? 'config'
  const base = resolve(context.io.workingFolder, name)
  const manifestName = (device: Device | Relay): string => `deployment.${device.id}.json`
  const tomlName = (device: Device | Relay): string => `config.${device.id}.toml`
  const write = async (file: string, text: string): Promise<void> => {
    const path = join(base, file)
    if (secrets === undefined) await writeOpenFile(path, text)
    else await writing(path, () => writeDurably(path, text, { syncFolder: false }))
  }
  if (secrets !== undefined && options.allowInGit !== true)
    await refuseInGit(
      devices.flatMap((device) => [
        join(base, manifestName(device)),
        ...(device.parent === undefined ? [] : [join(base, tomlName(device))])
      ]),
      'choose another --output, or use --without-secrets or --allow-in-git'
    )
  let files = 0
  return {
    fileOf: (device) => join(name, manifestName(device)),
    take: async (device, _manifest, text) => {
      await write(manifestName(device), text)
      files += 1
      if (device.parent === undefined) return
      await write(tomlName(device), bootstrapToml(site, device, { ...(secrets === undefined ? {} : { secrets }), now }))
      files += 1
    },
    end: async () => {
      if (files > 0 && secrets !== undefined) await syncFolder(base)
      const secret = secrets === undefined || files === 0 ? '' : ', which hold passwords'
      context.stderr.write(`wrote ${files} files to ${name}${secret}\n`)
    }
  }
}
