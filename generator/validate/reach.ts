import { isIP } from 'node:net'
import type { ValidationFinding } from './finding.ts'
import { parseJson } from './json.ts'
import { Report, Spot } from './place.ts'

/**
 * Finds images that a device below another would look for beyond it (M097). A manifest made for such a device has `$upstream`
 * somewhere; one with a way out of its own has a proxy in the environment of its edgeAgent.
 *
 * @param text of a valid deployment manifest
 */
export function checkReach(text: string): readonly ValidationFinding[] {
  const report = new Report(text)
  const root = new Spot(parseJson(text), '', { report, kind: 'deployment' })
  const desired = (root.get('content') ?? root).get('modulesContent')?.get('$edgeAgent')?.get('properties.desired')
  const system = desired?.get('systemModules')
  const images = [system, desired?.get('modules')]
    .flatMap((list) => list?.members() ?? [])
    .flatMap(({ spot }) => spot.get('settings')?.get('image') ?? [])
    .map((spot) => ({ spot, host: hostOf(spot.node.kind === 'string' ? spot.node.value : '') }))
  const isBelow = images.some(({ host }) => /^\$upstream:/i.test(host))
  const isLetOut = (system?.get('edgeAgent')?.get('env')?.members() ?? []).some(({ key }) => /^https_proxy$/i.test(key))
  if (!isBelow || isLetOut) return []
  for (const { spot, host } of images)
    if (!/^\$upstream:/i.test(host) && !isNear(host))
      spot.finding('M097', `the device is below another, and looks for this image at ${host}`)
  return report.findings
}

/** Where an engine looks for an image: the first part, where it has a dot or a colon (DockerUtil.cs), or else Docker's own. */
function hostOf(image: string): string {
  const [first = '', ...rest] = image.trim().split('/')
  return rest.length > 0 && (/[.:]/.test(first) || first === 'localhost') ? first : 'docker.io'
}

/** An address or a name without a domain is somebody's of the site. */
function isNear(host: string): boolean {
  const name = host.replace(/:\d+$/, '')
  return isIP(name) !== 0 || !name.includes('.')
}
