import { clouds } from '../azure/clouds.ts'
import { fits } from './pattern.ts'
import { isOneOf, suggest } from './suggest.ts'
import type { SiteProblem } from './problem.ts'
import type { SiteDocument } from './schema.ts'
import { resourceProblems } from './resource-problems.ts'
import { runtimeImageSet, settingsPushToken, type Device, type Relay, type Site } from './site.ts'
import { nearestRegistry, parentProblems } from './parents.ts'

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
      passwords: document.passwords,
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
      devices: resolveDevices(document, ids),
      relays: resolveRelays(document)
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
  readonly relaysOf: ReadonlyMap<string, readonly string[]>
}

function resolveDevices(document: SiteDocument, ids: readonly string[]): Readonly<Record<string, Device>> {
  const common: Common = {
    imageSets: Object.keys(document.imageSets).sort(),
    tokens: Object.keys(document.tokens).sort(),
    network: { ...document.network, own: false },
    childrenOf: byParent(document, ids),
    relaysOf: byParent(document, Object.keys(document.relays).sort())
  }
  return Object.fromEntries(ids.map((id) => [id, resolveDevice(document, id, common)]))
}

function byParent(document: SiteDocument, ids: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const id of ids) {
    const parent = nearestRegistry(document, id)
    if (parent === undefined) continue
    const below = found.get(parent) ?? []
    below.push(id)
    found.set(parent, below)
  }
  return found
}

function resolveRelays(document: SiteDocument): Readonly<Record<string, Relay>> {
  const shared: Device['network'] = { ...document.network, own: false }
  return Object.fromEntries(
    Object.entries(document.relays)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([id, { parent: above, hostName, network }]) => [
        id,
        {
          id,
          parent: nearestRegistry(document, id) ?? above,
          above,
          ...(hostName === undefined ? {} : { hostName }),
          network: network === undefined ? shared : { ...network, own: true }
        }
      ])
  )
}

function resolveDevice(document: SiteDocument, id: string, common: Common): Device {
  const device = document.devices[id]
  if (device === undefined) throw new Error(`no device ${id}`)
  const registry = device.connectedRegistry
  const names = syncNames(registry)
  const parent = nearestRegistry(document, id)
  return {
    id,
    registryName: registry.name,
    mode: registry.mode,
    syncToken: names.token,
    syncScopeMap: names.scopeMap,
    resource: registry.resource,
    resourceSettings: { ...document.resourceSettings, ...device.resourceSettings },
    ...(parent === undefined ? {} : { parent }),
    ...(device.parent === undefined ? {} : { above: device.parent }),
    children: common.childrenOf.get(id) ?? [],
    relays: common.relaysOf.get(id) ?? [],
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
  }
  const all = { ...document.devices, ...document.relays }
  const checkParents = (section: string, entries: Readonly<Record<string, { parent?: string | undefined }>>): void => {
    for (const [id, { parent }] of Object.entries(entries))
      if (parent !== undefined) check([section, id, 'parent'], 'device', parent, all)
  }
  checkParents('devices', document.devices)
  checkParents('relays', document.relays)
  return problems
}

/** A device has one source of its modules, and of two deployments it must be clear which goes first. */
function deploymentProblems(document: SiteDocument): SiteProblem[] {
  const ids = Object.keys(document.devices)
  const relays = Object.keys(document.relays)
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
      const relay = relays.find((id) => fits(id, pattern))
      if (relay !== undefined)
        problems.push({
          path: [...at, 'devices', index],
          message: `it means the relay ${relay} too, which has other modules than devices with a registry: relays are deployed to one by one`
        })
      else if (meant.length === 0)
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
