import { clouds } from '../azure/clouds.ts'
import { fits } from './pattern.ts'
import { isOneOf, suggest } from './suggest.ts'
import type { SiteProblem } from './problem.ts'
import type { SiteDocument } from './schema.ts'
import { resourceProblems } from './resource-problems.ts'
import { runtimeImageSet, settingsPushToken, type Device, type Site } from './site.ts'

/** Puts the parts of a site together: names that must exist, names that must differ, parents, and what follows from them. */
export function resolveSite(
  document: SiteDocument
): { readonly ok: true; readonly site: Site } | { readonly ok: false; readonly problems: readonly SiteProblem[] } {
  const problems = [
    ...unknownNames(document),
    ...parentProblems(document),
    ...doubleNames(document),
    ...resourceProblems(document),
    ...deploymentProblems(document)
  ]
  if (problems.length > 0) return { ok: false, problems }
  const { registry, hub } = clouds[document.azure.cloud]
  const ids = Object.keys(document.devices).sort()
  return {
    ok: true,
    site: {
      azure: document.azure,
      loginServer: `${document.azure.registry.toLowerCase()}.${registry}`,
      hubHost: `${document.azure.hub}.${hub}`,
      pullToken: document.pullToken,
      images: document.images,
      imports: document.imports,
      scopeMaps: document.scopeMaps,
      tokens: document.tokens,
      imageSets: document.imageSets,
      moduleName: document.moduleName,
      retired: document.retired,
      apiProxyPort: document.apiProxyPort,
      deployments: Object.fromEntries(
        Object.entries(document.deployments).map(([name, deployment]) => [
          name,
          { name, ...deployment, devices: ids.filter((id) => deployment.devices.some((pattern) => fits(id, pattern))) }
        ])
      ),
      devices: resolveDevices(document, ids)
    }
  }
}

/** What the names of a connected registry's token and scope map are, where the site file leaves them open. */
function syncNames(registry: { readonly name: string; readonly syncToken?: string | undefined }): {
  readonly token: string
  readonly scopeMap: string
} {
  return { token: registry.syncToken ?? `${registry.name}-sync-token`, scopeMap: `${registry.name}-sync` }
}

/** What devices have in common they share, in memory too: a site may have thousands. */
interface Common {
  readonly imageSets: readonly string[]
  readonly tokens: readonly string[]
  readonly network: Device['network']
  readonly childrenOf: ReadonlyMap<string, readonly string[]>
}

function resolveDevices(document: SiteDocument, ids: readonly string[]): Readonly<Record<string, Device>> {
  const childrenOf = new Map<string, string[]>()
  for (const id of ids) {
    const parent = document.devices[id]?.parent
    if (parent === undefined) continue
    const children = childrenOf.get(parent) ?? []
    children.push(id)
    childrenOf.set(parent, children)
  }
  const common: Common = {
    imageSets: Object.keys(document.imageSets).sort(),
    tokens: Object.keys(document.tokens).sort(),
    network: { ...document.network, own: false },
    childrenOf
  }
  return Object.fromEntries(ids.map((id) => [id, resolveDevice(document, id, common)]))
}

function resolveDevice(document: SiteDocument, id: string, common: Common): Device {
  const device = document.devices[id]
  if (device === undefined) throw new Error(`no device ${id}`)
  const registry = device.connectedRegistry
  const names = syncNames(registry)
  return {
    id,
    registryName: registry.name,
    mode: registry.mode,
    syncToken: names.token,
    syncScopeMap: names.scopeMap,
    resource: registry.resource,
    resourceSettings: { ...document.resourceSettings, ...device.resourceSettings },
    ...(device.parent === undefined ? {} : { parent: device.parent }),
    children: common.childrenOf.get(id) ?? [],
    port: device.port,
    dataFolder: device.dataFolder,
    imageSets: device.imageSets === undefined ? common.imageSets : [...device.imageSets].sort(),
    tokens: device.tokens === undefined ? common.tokens : [...device.tokens].sort(),
    ...(device.hostName === undefined ? {} : { hostName: device.hostName }),
    network: device.network === undefined ? common.network : { ...device.network, own: true },
    workloads: device.workloads ?? document.workloads,
    sync: device.sync ?? document.sync,
    status: device.status ?? document.status,
    logLevel: device.logLevel ?? document.logLevel,
    settings:
      Object.keys(device.settings).length === 0 ? document.settings : { ...document.settings, ...device.settings }
  }
}

function unknownNames(document: SiteDocument): SiteProblem[] {
  const problems: SiteProblem[] = []
  const check = (path: readonly PropertyKey[], kind: string, name: string, known: object): void => {
    if (!isOneOf(name, known))
      problems.push({ path, message: `there is no ${kind} ${name} here${suggest(name, Object.keys(known))}` })
  }
  for (const [name, token] of Object.entries(document.tokens))
    check(['tokens', name, 'scopeMap'], 'scope map', token.scopeMap, document.scopeMaps)
  for (const [id, device] of Object.entries(document.devices)) {
    const at = ['devices', id]
    device.imageSets?.forEach((name, index) =>
      check([...at, 'imageSets', index], 'image set', name, document.imageSets)
    )
    device.tokens?.forEach((name, index) => check([...at, 'tokens', index], 'token', name, document.tokens))
    const anonymous = { ...document.settings, ...device.settings }.anonymousPull?.scopeMap
    if (anonymous !== undefined)
      check([...at, 'settings', 'anonymousPull', 'scopeMap'], 'scope map', anonymous, document.scopeMaps)
    const { token } = device.workloads ?? document.workloads
    if (token !== undefined && !(device.tokens ?? Object.keys(document.tokens)).includes(token))
      problems.push({
        path: device.workloads === undefined ? ['workloads', 'token'] : [...at, 'workloads', 'token'],
        message: `${id} has no client token ${token}${suggest(token, device.tokens ?? Object.keys(document.tokens))}`
      })
    if (device.parent !== undefined) check([...at, 'parent'], 'device', device.parent, document.devices)
  }
  return problems
}

/** A device has one source of its modules, and of two deployments it must be clear which goes first. */
function deploymentProblems(document: SiteDocument): SiteProblem[] {
  const ids = Object.keys(document.devices)
  const owners = new Map<string, string>()
  const priorities = new Map<number, string>()
  const problems: SiteProblem[] = []
  for (const [name, { devices, priority }] of Object.entries(document.deployments)) {
    const at = ['deployments', name]
    const same = priorities.get(priority)
    if (same === undefined) priorities.set(priority, name)
    else problems.push({ path: [...at, 'priority'], message: `${same} has the same priority` })
    devices.forEach((pattern, index) => {
      const meant = ids.filter((id) => fits(id, pattern))
      if (meant.length === 0)
        problems.push({
          path: [...at, 'devices', index],
          message: `there is no device ${pattern} here${suggest(pattern, ids)}`
        })
      const taken = meant.find((id) => (owners.get(id) ?? name) !== name)
      if (taken !== undefined)
        problems.push({
          path: [...at, 'devices', index],
          message: `${owners.get(taken) ?? ''} has the device ${taken} already`
        })
      for (const id of meant) if (!owners.has(id)) owners.set(id, name)
    })
  }
  return problems
}

function parentProblems(document: SiteDocument): SiteProblem[] {
  return Object.entries(document.devices).flatMap(([id, device]) => {
    const parent = device.parent === undefined ? undefined : document.devices[device.parent]
    if (parent === undefined) return []
    if (isAbove(document, id, id))
      return [{ path: ['devices', id, 'parent'], message: 'the parents go round in a circle' }]
    const registry = ['devices', id, 'connectedRegistry']
    const above = `its parent ${device.parent ?? ''}`
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
  })
}

/** Whether following the parents of `from` leads to `wanted`. */
function isAbove(document: SiteDocument, wanted: string, from: string): boolean {
  const seen = new Set<string>()
  for (let id = document.devices[from]?.parent; id !== undefined && !seen.has(id); id = document.devices[id]?.parent) {
    if (id === wanted) return true
    seen.add(id)
  }
  return false
}

/** ACR keeps tokens and scope maps by name without regard to case, and so must the settings, whose keys are lower-case. */
function doubleNames(document: SiteDocument): SiteProblem[] {
  const problems: SiteProblem[] = []
  const tokens = new Map<string, string>([
    [settingsPushToken, 'what pushes settings'],
    [document.pullToken.name.toLowerCase(), 'the pull token']
  ])
  const scopeMaps = new Map<string, string>([
    [settingsPushToken, 'what pushes settings'],
    [document.pullToken.scopeMap.toLowerCase(), "the pull token's"]
  ])
  const registries = new Map<string, string>()
  const claim = (taken: Map<string, string>, name: string, owner: string, path: readonly PropertyKey[]): void => {
    const other = taken.get(name.toLowerCase())
    if (other === undefined) taken.set(name.toLowerCase(), owner)
    else problems.push({ path, message: `the name ${name} is taken: ${other} has it` })
  }
  if (isOneOf(runtimeImageSet, document.imageSets))
    problems.push({
      path: ['imageSets', runtimeImageSet],
      message: 'the name is kept for the runtime of devices below; take another'
    })
  for (const name of Object.keys(document.scopeMaps)) {
    const path = ['scopeMaps', name]
    if (name.length < 5) problems.push({ path, message: 'a scope map name has 5 to 50 characters' })
    claim(scopeMaps, name, `scope map ${name}`, path)
  }
  for (const name of Object.keys(document.tokens)) claim(tokens, name, `token ${name}`, ['tokens', name])
  for (const [id, device] of Object.entries(document.devices)) {
    const names = syncNames(device.connectedRegistry)
    const path = ['devices', id, 'connectedRegistry']
    claim(registries, device.connectedRegistry.name, `device ${id}`, [...path, 'name'])
    claim(scopeMaps, names.scopeMap, `the sync scope map of ${id}`, [...path, 'name'])
    if (names.token.length > 50)
      problems.push({ path: [...path, 'name'], message: `give syncToken a name: ${names.token} is longer than 50` })
    claim(tokens, names.token, `the sync token of ${id}`, [
      ...path,
      device.connectedRegistry.syncToken ? 'syncToken' : 'name'
    ])
  }
  return problems
}
