import { checkModules, imagesOf, type AgentSection } from './agent.ts'
import { checkCredential, checkCredentials, checkMatching, checkPartOfCredential } from './credentials.ts'
import { checkRoutes, noBroker, type Sink } from './hub.ts'
import type { JsonMember, JsonNode } from './json.ts'
import { Spot } from './place.ts'

/** A dotted key of a layer, without `properties.desired`, and what it sets. */
export interface DottedKey {
  readonly key: readonly string[]
  readonly spot: Spot
}

/** Dotted keys as the object that they come to on a device without a base. */
export interface LayeredSection {
  readonly desired: Spot
  /** Whether a key sets this path, or one above it: what stands there is all there is, whatever the base has. */
  readonly isWhole: (...path: readonly string[]) => boolean
}

/** Puts dotted keys together: what several of them say of one module is looked at as one. */
export function layeredSection(section: Spot, dotted: readonly DottedKey[]): LayeredSection {
  const parts = dotted.map(({ key, spot }) => ({ key, node: spot.node }))
  const set = new Set(dotted.map(({ key }) => key.join('.')))
  return {
    desired: new Spot(together(parts, section.node.at), `${section.path}.properties.desired`, section.around),
    isWhole: (...path) => path.some((_, index) => set.has(path.slice(0, index + 1).join('.')))
  }
}

interface Part {
  readonly key: readonly string[]
  readonly node: JsonNode
}

function together(parts: readonly Part[], at: number): JsonNode {
  const whole = parts.findLast(({ key }) => key.length === 0)?.node
  const deeper = parts.filter(({ key }) => key.length > 0)
  // What is no object has its finding, and nothing stands below it.
  if (whole !== undefined && (deeper.length === 0 || whole.kind !== 'object')) return whole
  const inside = whole?.kind === 'object' ? whole.members.map(({ key, value }) => ({ key: [key], node: value })) : []
  const byName = Map.groupBy([...inside, ...deeper], ({ key: [name = ''] }) => name)
  const members = [...byName].map(([key, under]): JsonMember => {
    const keyAt = under[0]?.node.at ?? at
    const rest = under.map((part) => ({ ...part, key: part.key.slice(1) }))
    return { key, keyAt, value: together(rest, keyAt) }
  })
  return { kind: 'object', at: whole?.at ?? members[0]?.keyAt ?? at, members }
}

const fieldsOfModule =
  /^(?:type|status|restartPolicy|imagePullPolicy|startupOrder|version|env|settings|configuration)$/i
const fieldsOfSettings = /^(?:image|digest|createOptions\d*)$/i
const fieldsOfCredential = /^(?:address|username|password)$/i
const fieldsOfRoute = /^(?:route|priority|timeToLiveSecs)$/i

/** Checks what a layer sets of `$edgeAgent`: modules or parts of them, and credentials (deployment-manifests.md §1.6). */
export function checkAgentLayer(dotted: readonly DottedKey[], { desired, isWhole }: LayeredSection): AgentSection {
  for (const { key, spot } of dotted) {
    const [first = '', second, third, fourth, fifth] = key
    if (first === 'systemModules' || first === 'schemaVersion')
      spot.finding('M062', `a layer cannot set ${first}; it belongs to the base deployment`)
    else if (first === 'runtime') {
      if (second !== 'settings' || third !== 'registryCredentials')
        spot.finding(
          'M062',
          'a layer cannot set runtime, but for single credentials in runtime.settings.registryCredentials'
        )
      else if (fourth !== undefined && fifth !== undefined && !fieldsOfCredential.test(fifth)) unread(spot, fifth)
    } else if (first !== 'modules' && first !== 'integrity') unread(spot, first)
    else if (third !== undefined && !fieldsOfModule.test(third)) unread(spot, third)
    else if (third === 'settings' && fourth !== undefined && !fieldsOfSettings.test(fourth)) unread(spot, fourth)
  }
  const section = checkModules(desired, isWhole)
  // The base may bring further credentials, so that only a near miss says something.
  checkMatching(imagesOf(section.modules), { addresses: checkLogins(desired, isWhole), open: true })
  return section
}

function checkLogins(desired: Spot, isWhole: LayeredSection['isWhole']): readonly string[] {
  const path = ['runtime', 'settings', 'registryCredentials']
  const list = path.reduce<Spot | undefined>((at, name) => at?.get(name), desired)
  if (isWhole(...path)) return checkCredentials(list).addresses
  return (list?.members() ?? []).flatMap(({ key, spot }) => {
    const address = isWhole(...path, key) ? checkCredential(spot) : checkPartOfCredential(spot)
    return address === undefined ? [] : [address.toLowerCase()]
  })
}

/** Checks what a layer sets of `$edgeHub`: routes, or parts of them. @returns sinks that are modules */
export function checkHubLayer(dotted: readonly DottedKey[], { desired, isWhole }: LayeredSection): Sink[] {
  for (const { key, spot } of dotted) {
    const [first = '', , third] = key
    if (first === 'schemaVersion' || first === 'storeAndForwardConfiguration')
      spot.finding('M062', `a layer cannot set ${first} of $edgeHub; it belongs to the base deployment`)
    else if (first === 'mqttBroker') spot.finding('M026', noBroker)
    else if (first !== 'routes' && first !== 'integrity') unread(spot, first)
    else if (first === 'routes' && third !== undefined && !fieldsOfRoute.test(third)) unread(spot, third)
  }
  const routes = desired.get('routes')
  return routes === undefined ? [] : checkRoutes(routes, undefined, isWhole)
}

function unread(spot: Spot, name: string): void {
  spot.finding('M064', `the runtime reads nothing called ${name === '' ? '""' : name} there`)
}
