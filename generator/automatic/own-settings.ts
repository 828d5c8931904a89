import { generateSettings } from '../deployment/generate.ts'
import { settingsOnly } from '../hub/configure.ts'
import type { Secrets } from '../secrets/store.ts'
import { automaticDeploymentOf, type Device, type Site } from '../site-file/site.ts'
import { leftOf, ownSettings, sharedSettings } from './content.ts'

type Document = Readonly<Record<string, unknown>>

/** What a device's twin is to be told, and what in it belongs to others. */
export interface WantedSettings {
  readonly settings: Document
  /** The part of a twin's desired properties that `configure` answers for. */
  readonly own: (desired: Document) => Document
}

/** Makes the settings of devices, one after the other. */
export function settingsOf(
  site: Site,
  options: { readonly secrets: Secrets; readonly now: Date }
): (device: Device) => WantedSettings {
  return (device) => {
    const deployment = automaticDeploymentOf(site, device.id)
    if (deployment === undefined) return { settings: generateSettings(site, device, options), own: settingsOnly }
    const owned = sharedSettings(site, deployment)
    const settings = ownSettings(site, device, owned, options)
    return {
      settings,
      own: (desired) => {
        const left = leftOf(settingsOnly(desired), owned)
        // Names in these maps are added by layers too, by the one before and the one after among them: only what is wanted here is
        // compared, and nothing taken away.
        return Object.fromEntries(
          Object.entries(left).flatMap(([key, value]) => {
            if (key !== 'imageSets' && key !== 'scopeMaps') return [[key, value] as const]
            const names = Object.entries(value as Document).filter(([name]) =>
              Object.hasOwn((settings[key] ?? {}) as Document, name)
            )
            return names.length === 0 ? [] : [[key, Object.fromEntries(names)] as const]
          })
        )
      }
    }
  }
}
