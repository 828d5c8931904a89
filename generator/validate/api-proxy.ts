import { memberOf } from './json.ts'
import type { ModuleSpec } from './module-spec.ts'
import type { Spot } from './place.ts'
import { angleHole, templateHole } from './placeholders.ts'

const image = /(?:^|\/)azureiotedge-api-proxy(?:[:@]|$)/

/**
 * Checks that API proxies publish the port they listen on, and relay to a module that is there and starts before them
 * (deployment-manifests.md §2.1).
 *
 * @param names of all modules, or undefined in a layer, where the base has others
 */
export function checkApiProxies(modules: readonly ModuleSpec[], names: ReadonlySet<string> | undefined): void {
  for (const proxy of modules) {
    if (!image.test(proxy.imageText)) continue
    checkPort(proxy)
    const address = proxy.env.get('CONNECTED_ACR_ROUTE_ADDRESS')
    const [, target = ''] = /^([^:]+):\d+$/.exec(known(address) ?? '') ?? []
    if (target === '' || names === undefined || address === undefined) continue
    const registry = modules.find(({ name }) => name === target)
    if (!names.has(target)) address.finding('M093', `it relays to ${target}, and no module is called so`)
    else if (
      registry?.startupOrder !== undefined &&
      proxy.startupOrder !== undefined &&
      proxy.startupOrder < registry.startupOrder
    )
      proxy.spot.finding('M095', `it has a lower startupOrder than ${target}, whose address it resolves when it starts`)
  }
}

function checkPort(proxy: ModuleSpec): void {
  const port = proxy.env.get('NGINX_DEFAULT_PORT')
  const number = known(port)
  const { options } = proxy.createOptions
  const bindings = memberOf(memberOf(options, 'HostConfig')?.value, 'PortBindings')?.value
  if (port === undefined || number === undefined || bindings?.kind !== 'object') return
  const published = bindings.members.map(({ key }) => key.replace(/\/tcp$/, ''))
  if (published.length > 0 && !published.includes(number))
    port.finding('M093', `it listens on ${number}, and createOptions publish ${published.join(', ')}`)
}

/** A value that nothing has yet to fill in. */
function known(spot: Spot | undefined): string | undefined {
  if (spot === undefined) return undefined
  const text =
    spot.node.kind === 'string' ? spot.node.value : spot.node.kind === 'number' ? String(spot.node.value) : undefined
  return text === undefined || templateHole(text) !== undefined || angleHole(text) !== undefined ? undefined : text
}
