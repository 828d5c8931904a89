import { isAlways, mostClientTokens, mostConnectedRegistries } from '../acr/connected-registry-values.ts'
import type { SiteProblem } from './problem.ts'
import type { ResourceSettings } from './resource-settings.ts'
import type { SiteDocument } from './schema.ts'

/** What Azure would refuse of connected registries as resources, and what would have no effect, before Azure is asked. */
export function resourceProblems(document: SiteDocument): SiteProblem[] {
  const devices = Object.entries(document.devices)
  const resources = devices.filter(([, { connectedRegistry }]) => connectedRegistry.resource)
  return [
    ...scheduleProblems(['resourceSettings'], document.resourceSettings),
    ...(Object.keys(document.resourceSettings).length > 0 && resources.length === 0
      ? [{ path: ['resourceSettings'], message: 'no device here has resource: true, so nothing would follow it' }]
      : []),
    ...(resources.length > mostConnectedRegistries
      ? [
          {
            path: ['devices'],
            message: `${resources.length} devices have resource: true, and a cloud registry has at most ${mostConnectedRegistries} connected registries; Causeway needs none of them`
          }
        ]
      : []),
    ...devices.flatMap(([id, device]) => {
      const at = ['devices', id]
      const own = Object.keys(device.resourceSettings).length > 0
      if (!device.connectedRegistry.resource)
        return own
          ? [{ path: [...at, 'resourceSettings'], message: 'needs resource: true; without it nothing would follow it' }]
          : []
      const tokens = device.tokens ?? Object.keys(document.tokens)
      return [
        ...(own
          ? scheduleProblems([...at, 'resourceSettings'], { ...document.resourceSettings, ...device.resourceSettings })
          : []),
        ...(tokens.length > mostClientTokens
          ? [
              {
                path: [...at, 'tokens'],
                message: `has ${tokens.length} client tokens, and a connected registry of Azure has at most ${mostClientTokens}`
              }
            ]
          : [])
      ]
    }),
    ...retiredProblems(document)
  ]
}

/** A window without a schedule, or the other way round, is dropped or refused there (facts: arm-wire §6). */
function scheduleProblems(path: readonly string[], { schedule, syncWindow }: ResourceSettings): SiteProblem[] {
  if (schedule === undefined)
    return syncWindow === undefined ? [] : [{ path: [...path, 'syncWindow'], message: 'goes with a schedule' }]
  if (isAlways(schedule))
    return syncWindow === undefined
      ? []
      : [{ path: [...path, 'syncWindow'], message: 'means nothing where the schedule is always' }]
  return syncWindow === undefined
    ? [{ path: [...path, 'schedule'], message: 'needs syncWindow: for how long from then, such as PT4H' }]
    : []
}

function retiredProblems({ retired, devices }: SiteDocument): SiteProblem[] {
  return retired.flatMap((name, index) => {
    const path = ['retired', index]
    const user = Object.entries(devices).find(
      ([, { connectedRegistry }]) =>
        connectedRegistry.resource && connectedRegistry.name.toLowerCase() === name.toLowerCase()
    )
    const isDouble = retired.findIndex((other) => other.toLowerCase() === name.toLowerCase()) < index
    return [
      ...(user === undefined
        ? []
        : [{ path, message: `${user[0]} has resource: true under this name: it cannot be made and deleted both` }]),
      ...(isDouble ? [{ path, message: `${name} stands here twice` }] : [])
    ]
  })
}
