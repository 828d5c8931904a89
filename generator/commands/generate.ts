import { dirname, join, resolve } from 'node:path'
import { allDevicesOf, anyDeviceOf, type CommonOptions, type Context } from '../context.ts'
import { bootstrapToml } from '../deployment/bootstrap.ts'
import { formatManifest, generateManifest } from '../deployment/generate.ts'
import { readTemplate } from '../deployment/template.ts'
import { writeOpenFile, writeSecretFile } from '../deployment/write.ts'
import { assertValid } from '../validate/assert.ts'

export interface GenerateCommandOptions extends CommonOptions {
  readonly device?: readonly string[]
  readonly template: string
  /** For modules that the template names without one. */
  readonly platform?: string
  readonly output?: string
  /** commander's `--without-secrets` */
  readonly withoutSecrets?: boolean
  readonly allowInGit?: boolean
}

/**
 * Makes a device's deployment manifest, and for a device below another what its config.toml needs; or those of many devices.
 * Needs no network.
 *
 * @throws {GeneratorError} `VALIDATION_FAILED` where the device would refuse it
 */
export async function generate(context: Context, options: GenerateCommandOptions): Promise<void> {
  const site = await context.site()
  const named = options.device ?? []
  const template = await readTemplate(options.template, context.io.workingFolder, {
    env: context.io.env,
    platform: options.platform,
    layers: true
  })
  const secret = options.withoutSecrets !== true
  const now = new Date()
  const secrets = secret ? { secrets: await context.secrets(site, 'read') } : {}
  if (named.length > 1 || named.some((name) => name.includes('*'))) {
    const { generateFleet } = await import('./generate-fleet.ts')
    await generateFleet(context, options, { site, devices: allDevicesOf(site, named), template, ...secrets, now })
    return
  }
  const device = anyDeviceOf(site, named[0])
  const text = formatManifest(generateManifest(site, device, template, { ...secrets, now }))
  const output = options.output ?? `config/deployment.${device.id}.json`
  // Before anything is written: a file that is there was fit to deploy when it was made.
  for (const warning of assertValid(text, output, site)) context.stderr.write(`${warning}\n`)
  if (output === '-') {
    context.io.stdout.write(text)
    return
  }
  const path = resolve(context.io.workingFolder, output)
  if (secret) await writeSecretFile(path, text, options.allowInGit === true)
  else await writeOpenFile(path, text)
  context.stderr.write(`wrote ${output}${secret ? ', which holds passwords' : ''}\n`)
  if (device.parent === undefined) return
  const toml = bootstrapToml(site, device, { ...secrets, now })
  const bootstrap = join(dirname(output), `config.${device.id}.toml`)
  const target = resolve(context.io.workingFolder, bootstrap)
  if (secret) await writeSecretFile(target, toml, options.allowInGit === true)
  else await writeOpenFile(target, toml)
  context.stderr.write(`wrote ${bootstrap}, for /etc/aziot/config.toml of ${device.id}\n`)
}
