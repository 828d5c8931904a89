import type { ValidationFinding } from './finding.ts'
import { memberOf, parseJson } from './json.ts'
import { Report, Spot } from './place.ts'
import { repositoryOf, runtimeImages, type Site } from '../site-file/site.ts'

/**
 * Finds images that the device would ask the cloud registry for with a token that may not read them (M094). Only `generate`
 * and `deploy` know the site file, which says so.
 *
 * @param text of a valid deployment manifest
 * @param site whose pull token reads the runtime's repositories and nothing else (acr/wanted.ts)
 */
export function checkPullToken(text: string, site: Site): readonly ValidationFinding[] {
  const registry = site.loginServer
  const username = site.pullToken.name
  const repositories = runtimeImages(site).map(repositoryOf)
  const report = new Report(text)
  const root = new Spot(parseJson(text), '', { report, kind: 'deployment' })
  const desired = (root.get('content') ?? root).get('modulesContent')?.get('$edgeAgent')?.get('properties.desired')
  const credentials = desired?.get('runtime')?.get('settings')?.get('registryCredentials')?.members() ?? []
  const used = credentials.some(
    ({ spot }) => textOf(spot, 'address').toLowerCase() === registry && textOf(spot, 'username') === username
  )
  if (!used) return []
  for (const list of ['systemModules', 'modules'])
    for (const { spot } of desired?.get(list)?.members() ?? []) {
      const image = textOf(spot.get('settings'), 'image').trim()
      if (!image.toLowerCase().startsWith(`${registry}/`)) continue
      const repository = image.slice(registry.length + 1).replace(/[:@].*$/, '')
      if (!repositories.includes(repository))
        spot
          .get('settings')
          ?.get('image')
          ?.finding('M094', `${username} may not read ${repository}; its scope map has ${repositories.join(', ')}`)
    }
  return report.findings
}

function textOf(spot: Spot | undefined, name: string): string {
  const node = memberOf(spot?.node, name)?.value
  return node?.kind === 'string' ? node.value : ''
}
