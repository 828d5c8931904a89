import type { SiteProblem } from './problem.ts'
import type { SiteDocument } from './schema.ts'

/**
 * The device with the nearest registry above one. Relays have none: what is below them syncs, pulls and logs in beyond them,
 * though it reaches only them.
 */
export function nearestRegistry(document: SiteDocument, id: string): string | undefined {
  return pathUp(document, id).find((above) => Object.hasOwn(document.devices, above))
}

export function parentProblems(document: SiteDocument): SiteProblem[] {
  return [...Object.keys(document.devices).flatMap(ofDevice), ...Object.keys(document.relays).flatMap(ofRelay)]

  function ofDevice(id: string): SiteProblem[] {
    const path = ['devices', id]
    const device = document.devices[id]
    if (isInCircle(document, id)) return [circle(path)]
    const nearest = nearestRegistry(document, id)
    const parent = nearest === undefined ? undefined : document.devices[nearest]
    if (device === undefined || nearest === undefined || parent === undefined) return []
    const registry = [...path, 'connectedRegistry']
    const above = device.parent === nearest ? `its parent ${nearest}` : `${nearest}, the registry above it,`
    return [
      // Azure's rule: below a ReadOnly registry there are only ReadOnly ones (facts: connected-registry §1).
      ...(parent.connectedRegistry.mode === 'ReadOnly' && device.connectedRegistry.mode === 'ReadWrite'
        ? [{ path: [...registry, 'mode'], message: `must be ReadOnly, because ${above} is` }]
        : []),
      ...(device.connectedRegistry.resource && !parent.connectedRegistry.resource
        ? [
            {
              path: [...registry, 'resource'],
              message: `needs resource: true on ${above} too, for Azure to have a parent`
            }
          ]
        : [])
    ]
  }

  function ofRelay(id: string): SiteProblem[] {
    const path = ['relays', id]
    if (Object.hasOwn(document.devices, id))
      return [{ path, message: 'devices has it too: it has a registry of its own, or only relays' }]
    if (isInCircle(document, id)) return [circle(path)]
    const nearest = nearestRegistry(document, id)
    if (nearest === undefined) return []
    const { registry } = { ...document.settings, ...document.devices[nearest]?.settings }
    // An API proxy without a registry passes on /v2 alone, and names nobody: a Bearer challenge through it leads to a host that who
    // is below cannot reach (facts: connected-registry §6).
    return registry?.challenge === 'Basic'
      ? []
      : [
          {
            path: [...path, 'parent'],
            message: `${nearest}, the registry above it, needs settings: { registry: { challenge: Basic } }: a Bearer challenge does not come through a relay`
          }
        ]
  }
}

function circle(path: readonly PropertyKey[]): SiteProblem {
  return { path: [...path, 'parent'], message: 'the parents go round in a circle' }
}

function isInCircle(document: SiteDocument, id: string): boolean {
  return pathUp(document, id).includes(id)
}

/** The devices and relays above one, the nearest first; once round, where they go in a circle. */
function pathUp(document: SiteDocument, from: string): readonly string[] {
  const seen = new Set<string>()
  for (let id = parentOf(document, from); id !== undefined && !seen.has(id); id = parentOf(document, id)) seen.add(id)
  return [...seen]
}

function parentOf({ devices, relays }: SiteDocument, id: string): string | undefined {
  if (Object.hasOwn(devices, id)) return devices[id]?.parent
  return Object.hasOwn(relays, id) ? relays[id]?.parent : undefined
}
