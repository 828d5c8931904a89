import { isRecord } from '../deployment/template.ts'
import type { HubConfiguration, HubTwin } from '../hub/hub.ts'
import { settingsOnly } from '../hub/configure.ts'
import { automaticDeploymentOf, type Device, type Site } from '../site-file/site.ts'
import { labels } from './rollout.ts'

/** Settings of a device's module that somebody else's automatic deployment sets too: whichever goes first overwrites the other. */
export interface SecondOwner {
  readonly device: string
  /** The automatic deployment's id in the hub. */
  readonly owner: string
  /** Top-level keys of the settings, sorted. */
  readonly sections: readonly string[]
  /** What a site file calls or called it, where causeway made it. */
  readonly name?: string
}

/**
 * Finds second owners: each section of the settings is for the deployment, its layer or the twin alone, as the site file
 * makes them.
 *
 * @param agents twins of `$edgeAgent`, which tell what the hub has put on a device
 * @param configurations all of the hub; read only where something else is on a device
 */
export async function secondOwners(
  site: Site,
  devices: readonly Device[],
  agents: ReadonlyMap<string, HubTwin>,
  configurations: () => Promise<readonly HubConfiguration[]>
): Promise<readonly SecondOwner[]> {
  const applied = devices.map(({ id }) => ({
    id,
    names: Object.entries(agents.get(id)?.configurations ?? {}).flatMap(([name, { status }]) =>
      status === 'Applied' ? [name] : []
    )
  }))
  if (applied.every(({ names }) => names.length === 0)) return []
  const all = new Map((await configurations()).map((each) => [each.id, each]))
  return applied.flatMap(({ id, names }) =>
    names.flatMap((name): SecondOwner[] => {
      const configuration = all.get(name)
      const own = automaticDeploymentOf(site, id)?.name
      if (configuration === undefined || configuration.labels[labels.name] === own) return []
      const sections = sectionsOf(configuration, site.moduleName)
      const called = configuration.labels[labels.name]
      return sections.length === 0
        ? []
        : [{ device: id, owner: name, sections, ...(called === undefined ? {} : { name: called }) }]
    })
  )
}

/** What a layer says dotted (`properties.desired.imageSets.bridge`), and what a base says whole. */
function sectionsOf({ content }: HubConfiguration, moduleName: string): readonly string[] {
  const modules = isRecord(content['modulesContent']) ? content['modulesContent'] : {}
  const section = isRecord(modules[moduleName]) ? modules[moduleName] : {}
  const keys = Object.entries(section).flatMap(([key, value]) => {
    if (key === 'properties.desired') return isRecord(value) ? Object.keys(value) : []
    const [, name] = /^properties\.desired\.([^.]+)/.exec(key) ?? []
    return name === undefined ? [] : [name]
  })
  return Object.keys(settingsOnly(Object.fromEntries(keys.map((key) => [key, true])))).sort()
}

/** In words, for a person. */
export function secondOwnerSentence({ owner, sections, name }: SecondOwner, moduleName: string): string {
  if (name !== undefined)
    return `the automatic deployment ${owner}, which causeway made as ${name}, sets ${sections.join(', ')} of ${moduleName} too: where the site file has no ${name} any more, retire it with causeway deploy --deployment ${name} --allow-remove`
  return `the automatic deployment ${owner} sets ${sections.join(', ')} of ${moduleName} too, which the site file has: take it out of one of the two`
}
