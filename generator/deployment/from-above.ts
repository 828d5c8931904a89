import type { GeneratorError } from '../errors.ts'
import { hasRegistry } from '../site-file/has-registry.ts'
import { repositoryOf, runtimeImages, type Device, type Relay, type Site } from '../site-file/site.ts'
import { imageAt, isHeld, withImage, type Image } from './own-workloads.ts'
import { agentDesired, isRecord, templateError, withAgentDesired, type Template } from './template.ts'
import { upstreamRegistry } from './variables.ts'

/** Where Microsoft publishes the runtime, and templates of other tools have it. */
const publisher = 'mcr.microsoft.com'

/**
 * Has a device below another pull from that one what its template has where only the top layer reaches: what is in the cloud
 * registry, and the runtime. That comes in the versions of the site file: the registries above hold no others.
 *
 * @param content the expanded template
 * @throws {GeneratorError} `TEMPLATE_INVALID` at an image that the registry above would never give to this device
 */
export function pullFromAbove(content: unknown, template: Template, site: Site, device: Device | Relay): unknown {
  const desired = agentDesired(content)
  if (device.parent === undefined || desired === undefined) return content
  const { parent } = device
  const above = upstreamRegistry(site)
  // What else it may pull there; of a device that pulls its workloads from its own registry, that one is asked.
  const sets = hasRegistry(device) ? device : undefined
  const place = (module: unknown, path: readonly string[], ownRegistry: boolean): unknown => {
    const image = imageAt(module, site.loginServer) ?? imageAt(module, above)
    const held = image !== undefined && sets !== undefined && isHeld(site, sets, image)
    const runtime = image === undefined ? publishedRuntime(module, site) : runtimeOf(image, site)
    const name = held ? image.text : (runtime ?? image?.text)
    if (name === undefined) return module
    if (!held && runtime === undefined && !ownRegistry) throw refusal(name, path)
    return withImage(module, `${above}/${name}`)
  }
  const refusal = (image: string, path: readonly string[]): GeneratorError =>
    templateError(
      template.name,
      template.document.positionOf([
        'modulesContent',
        '$edgeAgent',
        'properties.desired',
        ...path,
        'settings',
        'image'
      ]),
      `${device.id} is below ${parent} and pulls ${image} from there, where ${sets === undefined ? 'it may pull the runtime only, as images of the site file has it' : 'it may pull the runtime and what its image sets have: add it to imageSets'}`
    )
  const each = (list: 'systemModules' | 'modules'): Readonly<Record<string, unknown>> => {
    const modules = desired[list]
    if (!isRecord(modules)) return {}
    const ownRegistry = list === 'modules' && sets?.workloads.fromOwnRegistry === true
    const placed = Object.entries(modules).map(
      ([name, module]) => [name, place(module, [list, name], ownRegistry)] as const
    )
    return { [list]: Object.fromEntries(placed) }
  }
  return withAgentDesired(content, { ...desired, ...each('systemModules'), ...each('modules') })
}

/** What the site file has in place of the runtime as Microsoft publishes it. */
function publishedRuntime(module: unknown, { images: { agent, hub, apiProxy } }: Site): string | undefined {
  switch (imageAt(module, publisher)?.repository) {
    case 'azureiotedge-agent':
      return agent
    case 'azureiotedge-hub':
      return hub
    case 'azureiotedge-api-proxy':
      return apiProxy
    default:
      return undefined
  }
}

function runtimeOf({ repository }: Image, site: Site): string | undefined {
  return runtimeImages(site).find((image) => repositoryOf(image) === repository)
}
