import { hasAnyBelow, hasRegistry } from '../site-file/has-registry.ts'
import { repositoryOf, type Device, type Relay, type Site } from '../site-file/site.ts'
import { agentDesired, isRecord, templateError, withAgentDesired, type Template } from './template.ts'

const defaultProxyPort = '8000'

/**
 * Gives a device's modules their way out: the outbound proxy and edgeHub's protocol, where the site file has them. What the
 * template says itself stays.
 *
 * @param content the expanded template
 */
export function withNetwork(content: unknown, site: Site, { network, parent }: Device | Relay): unknown {
  const { upstreamProtocol, httpsProxy, noProxy } = network
  // A layer below has no way to the site's proxy, and its parent is no host behind one, unless the device's own entry says so.
  const isReached = parent === undefined || network.own
  const proxy: Readonly<Record<string, string>> =
    httpsProxy === undefined || !isReached
      ? {}
      : { https_proxy: httpsProxy, ...(noProxy === undefined ? {} : { no_proxy: noProxy }) }
  const runtime = { ...proxy, ...(upstreamProtocol === undefined ? {} : { UpstreamProtocol: upstreamProtocol }) }
  const desired = agentDesired(content)
  if (desired === undefined) return content
  return withAgentDesired(content, {
    ...desired,
    systemModules: eachOf(desired['systemModules'], (module) => withEnvironment(module, runtime)),
    modules: eachOf(desired['modules'], (module, name) =>
      name === site.moduleName ? withEnvironment(module, proxy) : module
    )
  })
}

/**
 * Checks that the API proxy of a device between others listens where they look for it: the same port at every hop, since each
 * relays to the port that it listens on itself (facts: connected-registry §6).
 *
 * @throws {GeneratorError} `TEMPLATE_INVALID`
 */
export function assertProxyPort(content: unknown, template: Template, site: Site, device: Device | Relay): void {
  if (hasRegistry(device) && device.parent === undefined && !hasAnyBelow(device)) return
  const repository = repositoryOf(site.images.apiProxy)
  const modules = agentDesired(content)?.['modules']
  for (const [name, module] of Object.entries(isRecord(modules) ? modules : {})) {
    // A layer's key below a module tells nothing of its environment.
    if (name.endsWith('.')) continue
    const settings = isRecord(module) && isRecord(module['settings']) ? module['settings'] : {}
    const image = settings['image']
    if (typeof image !== 'string' || !image.replace(/[:@][^/]*$/, '').endsWith(`/${repository}`)) continue
    const environment = isRecord(module) && isRecord(module['env']) ? module['env'] : {}
    const entry = environment['NGINX_DEFAULT_PORT']
    const port = isRecord(entry) ? entry['value'] : defaultProxyPort
    if (Number(port) === site.apiProxyPort) continue
    throw templateError(
      template.name,
      template.document.positionOf(['modulesContent', '$edgeAgent', 'properties.desired', 'modules', name, 'env']),
      `${name} listens on ${String(port)}, and devices of this site reach each other's registries at port ${site.apiProxyPort} (apiProxyPort): the two have to be the same at every hop`
    )
  }
}

function withEnvironment(module: unknown, added: Readonly<Record<string, string>>): unknown {
  if (!isRecord(module) || Object.keys(added).length === 0) return module
  const before = module['env'] ?? {}
  // The check of the whole finds it, which it could not once something else stood in its place.
  if (!isRecord(before)) return module
  const more = Object.fromEntries(Object.entries(added).map(([name, value]) => [name, { value }]))
  return { ...module, env: { ...more, ...before } }
}

function eachOf(modules: unknown, change: (module: unknown, name: string) => unknown): unknown {
  if (!isRecord(modules)) return modules
  return Object.fromEntries(Object.entries(modules).map(([name, module]) => [name, change(module, name)]))
}
