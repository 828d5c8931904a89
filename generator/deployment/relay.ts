import type { Relay, Site } from '../site-file/site.ts'
import { desiredOf, isApiProxy, moduleIn, modulesIn, recordAt, withLogin, withoutOrder } from './connected-registry.ts'
import { agentDesired, isRecord, objectIn, templateError, withAgentDesired, type Template } from './template.ts'
import { upstreamRegistry } from './variables.ts'

type Section = Readonly<Record<string, unknown>>

/** What has an API proxy answer pulls itself; without them it passes on `/v2` to the device above (facts: connected-registry §6). */
const ownRoutes = ['CONNECTED_ACR_ROUTE_ADDRESS', 'DOCKER_REQUEST_ROUTE_ADDRESS']

/**
 * What of a template a device without a registry runs: the runtime, and the API proxy with its routes upward. It may pull nothing
 * else, so workloads stay away, and with them the routes between them.
 *
 * @throws {GeneratorError} `TEMPLATE_INVALID` for a layer, and for a template without an API proxy where none can be added
 */
export function asRelay(template: Template, site: Site, { id }: Relay): Template {
  const { shipped = {}, modulesContent } = template
  const refuse = (message: string): Error => templateError(template.name, template.document.positionOf([]), message)
  if (template.layer) throw refuse(`a layer has nothing for ${id}, which only relays; give it a whole deployment`)
  const theirs = desiredOf(modulesContent)
  const ours = desiredOf(shipped)
  const modules = modulesIn(template)
  const present = Object.entries(modules)
    .filter(([name, module]) => isApiProxy(name, module))
    .map(([name]) => [name, moduleIn(template, name)] as const)
  const added = recordAt(recordAt(ours, 'modules'), 'IoTEdgeAPIProxy')
  const proxies =
    present.length > 0 || !isRecord(shipped['$edgeAgent']) ? present : [['IoTEdgeAPIProxy', added] as const]
  if (proxies.length === 0) throw refuse(`it has no API proxy, and ${id} relays with nothing else`)
  const kept = new Set(proxies.map(([name]) => name))
  const desired: Section = {
    ...theirs,
    runtime: withLogin(template, recordAt(ours, 'runtime'), ['${registry.address}', upstreamRegistry(site)]),
    modules: Object.fromEntries(proxies.map(([name, module]) => [name, upward(withoutOrder(module, theirs))] as const))
  }
  const sections = Object.entries(modulesContent).filter(([name]) => name.startsWith('$') || kept.has(name))
  const dropped = new Set(Object.keys(modules).filter((name) => !kept.has(name)))
  return {
    ...template,
    modulesContent: {
      ...Object.fromEntries(sections),
      $edgeAgent: { ...recordAt(modulesContent, '$edgeAgent'), 'properties.desired': desired },
      $edgeHub: withoutRoutes(template, dropped)
    }
  }
}

/** Logins for registries that nothing comes from are no business of this device. @param content the expanded template */
export function withNeededLogins(content: unknown): unknown {
  const desired = agentDesired(content)
  if (desired === undefined) return content
  const modules = [recordAt(desired, 'systemModules'), recordAt(desired, 'modules')].flatMap((each) =>
    Object.values(each)
  )
  const hosts = new Set(
    modules.map((module) => {
      const { image } = isRecord(module) ? recordAt(module, 'settings') : {}
      return String(image).trim().split('/', 1)[0]?.toLowerCase()
    })
  )
  const runtime = recordAt(desired, 'runtime')
  const settings = recordAt(runtime, 'settings')
  const credentials = Object.entries(recordAt(settings, 'registryCredentials')).filter(
    // What is no login is left for the check of the whole to find.
    ([, each]) => !isRecord(each) || hosts.has(String(each['address']).toLowerCase())
  )
  const registryCredentials = Object.fromEntries(credentials)
  return withAgentDesired(content, {
    ...desired,
    runtime: { ...runtime, settings: { ...settings, registryCredentials } }
  })
}

function upward(proxy: Section): Section {
  const env = Object.entries(recordAt(proxy, 'env')).filter(([name]) => !ownRoutes.includes(name))
  return { ...proxy, env: Object.fromEntries(env) }
}

function withoutRoutes(template: Template, dropped: ReadonlySet<string>): Section {
  const hub = objectIn(template, ['$edgeHub'])
  const desired = objectIn(template, ['$edgeHub', 'properties.desired'])
  const written = objectIn(template, ['$edgeHub', 'properties.desired', 'routes'])
  const routes = Object.entries(written).filter(([, route]) => {
    const text = isRecord(route) ? String(route['route']) : String(route)
    return [...text.matchAll(/\/modules\/([^/"\s]+)/gi)].every(([, module = '']) => !dropped.has(module))
  })
  return { ...hub, 'properties.desired': { ...desired, routes: Object.fromEntries(routes) } }
}
