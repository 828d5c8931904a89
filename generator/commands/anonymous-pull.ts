import { anonymousPullWarnings } from '../acr/anonymous-pull.ts'
import type { CloudRegistry } from '../acr/cloud-registry.ts'
import type { CommonOptions, Context } from '../context.ts'
import { GeneratorError } from '../errors.ts'
import type { Site } from '../site-file/site.ts'

export interface AnonymousPullOptions extends CommonOptions {
  readonly output: 'text' | 'json'
  readonly yes?: boolean
}

/** Shows whether anybody may pull without logging in: from the cloud registry, and beside it from each device. */
export async function showAnonymousPull(context: Context, { output }: AnonymousPullOptions): Promise<void> {
  const site = await context.site()
  const cloud = await openRegistry(context, site)
  const { anonymousPullEnabled, sku } = await cloud.get()
  const enabled = anonymousPullEnabled === true
  const devices = Object.values(site.devices).map(({ id, settings }) => ({
    device: id,
    anonymousPullEnabled: settings.anonymousPull?.enabled === true,
    scopeMap: settings.anonymousPull?.scopeMap ?? null
  }))
  if (output === 'json') {
    const registry = { loginServer: site.loginServer, sku: sku.name, anonymousPullEnabled: enabled }
    context.stdout.write(`${JSON.stringify({ schemaVersion: '1.0', registry, devices }, undefined, 2)}\n`)
    return
  }
  context.stdout.write(`${site.loginServer} (${sku.name}): ${enabled ? 'enabled' : 'disabled'}\n`)
  for (const { device, anonymousPullEnabled: on, scopeMap } of devices) {
    const what = !on
      ? 'disabled'
      : scopeMap === null
        ? 'enabled for every repository'
        : `enabled for what ${scopeMap} reads`
    context.stdout.write(`${device}: ${what} (its own setting, in the site file)\n`)
  }
}

/**
 * Lets anybody pull from the cloud registry without logging in, or no longer.
 *
 * @throws {GeneratorError} `SKU_TOO_SMALL` for a Basic registry, `NOT_CONFIRMED` without `--yes`
 */
export async function setAnonymousPull(
  context: Context,
  enabled: boolean,
  options: AnonymousPullOptions
): Promise<void> {
  const site = await context.site()
  const cloud = await openRegistry(context, site)
  const { anonymousPullEnabled, sku } = await cloud.get()
  if ((anonymousPullEnabled === true) !== enabled) {
    if (enabled) {
      if (sku.name === 'Basic')
        throw new GeneratorError(
          'SKU_TOO_SMALL',
          `${site.loginServer} is a Basic registry, and anonymous pull takes Standard or Premium: az acr update --name ${site.azure.registry} --sku Standard`
        )
      for (const warning of anonymousPullWarnings) context.stderr.write(`WARNING: ${warning}\n`)
      if (options.yes !== true)
        throw new GeneratorError(
          'NOT_CONFIRMED',
          `anonymous pull of ${site.loginServer} was not enabled: say that you mean it with --yes`
        )
    }
    await cloud.update({ anonymousPullEnabled: enabled })
    // The site file is the only source of what it says.
    if (site.azure.anonymousPull === !enabled)
      context.stderr.write(
        `WARNING: the site file says azure.anonymousPull: ${site.azure.anonymousPull}, and provision sets that again\n`
      )
  }
  await showAnonymousPull(context, options)
}

async function openRegistry(context: Context, { azure }: Site): Promise<CloudRegistry> {
  const management = await context.management({ subscription: azure.subscription, cloud: azure.cloud })
  return management.open(azure.registry, azure.resourceGroup)
}
