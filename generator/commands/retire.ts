import { retireFormer } from '../automatic/former.ts'
import type { Context } from '../context.ts'
import { readTwins } from '../fleet/read.ts'
import type { Site } from '../site-file/site.ts'

/**
 * Retires the automatic deployments that are named and that the site file no longer has.
 *
 * @returns the names that are left: those that the site file has, and those that the hub has nothing of either
 * @throws {GeneratorError} as {@link retireFormer}
 */
export async function retireNamed(
  context: Context,
  site: Site,
  {
    deployment: named,
    allowRemove
  }: { readonly deployment?: readonly string[] | undefined; readonly allowRemove?: boolean }
): Promise<readonly string[] | undefined> {
  const former = (named ?? []).filter((name) => !Object.hasOwn(site.deployments, name))
  if (former.length === 0) return named
  const hub = await context.hub(site)
  const agents = await readTwins(hub, [...Object.keys(site.devices), ...Object.keys(site.relays)], '$edgeAgent')
  const done = new Set<string>()
  for (const name of former)
    for (const id of await retireFormer(hub, name, agents, allowRemove === true)) {
      done.add(name)
      context.stdout.write(`${name}: retired ${id}\n`)
    }
  return named?.filter((name) => !done.has(name))
}
