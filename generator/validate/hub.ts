import { versionOf } from './agent.ts'
import { notInQuotes, numberInQuotes, textOf, wholeOf } from './lenient.ts'
import { isOpen } from './module-spec.ts'
import type { Spot } from './place.ts'
import { angleHole, documentHoles, filled, routeHole } from './placeholders.ts'
import { readRoute, type RouteReading } from './route.ts'

/** The modules that routes lead to, with where they are named. */
export interface Sink {
  readonly module: string
  readonly spot: Spot
}

/** Checks the desired properties of `$edgeHub` (deployment-manifests.md §1.3). @returns sinks that are modules */
export function checkHub(desired: Spot): Sink[] {
  const minor = checkVersion(desired)
  checkStore(desired)
  desired.get('mqttBroker')?.finding('M026', noBroker)
  const routes = desired.get('routes')
  if (routes === undefined) {
    if (minor !== 0 && minor !== undefined)
      desired.missing('M020', 'routes', 'routes is required from schemaVersion 1.1 on; it may be empty: {}')
    return []
  }
  return checkRoutes(routes, minor)
}

export const noBroker = 'the MQTT broker is gone from the runtime since version 1.3'

/**
 * Checks routes.
 *
 * @param minor of the schema version; undefined where it is not known, as in a layer
 * @param isWhole whether a layer sets all of what stands at a path; of the other routes the base has the rest
 * @returns sinks that are modules
 */
export function checkRoutes(
  routes: Spot,
  minor: number | undefined,
  isWhole: (...path: readonly string[]) => boolean = () => true
): Sink[] {
  if (routes.node.kind === 'placeholder') return []
  if (routes.node.kind !== 'object') {
    routes.finding('M080', 'routes must be an object of routes')
    return []
  }
  return routes.members().flatMap(({ key, spot }) => {
    if (/#/.test(key)) spot.finding('M014', `az's schema refuses the name ${key} for a route`)
    return checkRoute(spot, minor, isWhole('routes', key))
  })
}

/** A route, as a text or an object. */
function checkRoute(spot: Spot, minor: number | undefined, whole: boolean): Sink[] {
  if (spot.node.kind === 'placeholder') return []
  if (spot.node.kind === 'string') return checkText(spot, minor)
  if (spot.node.kind !== 'object') {
    spot.finding('M020', 'a route is a text, or an object with route')
    return []
  }
  if (minor === 0) {
    spot.finding('M022', 'under schemaVersion 1.0 a route is a text')
    return []
  }
  checkWhole(spot.get('priority'), [0, 9], 'M023', 'priority must be a whole number from 0 to 9', defaultPriority)
  checkWhole(spot.get('timeToLiveSecs'), [0, 4_294_967_295], 'M024', 'timeToLiveSecs must be a whole number from 0')
  const text = spot.get('route')
  if (text === undefined) {
    if (whole) spot.missing('M020', 'route', 'a route object needs route')
    return []
  }
  if (text.node.kind === 'placeholder') return []
  if (text.node.kind === 'string') return checkText(text, minor)
  text.finding('M020', 'route must be a text')
  return []
}

/** What edgeHub gives a route without priority; RouteSpec.cs takes it written out, too. */
const defaultPriority = 2_000_000_000

function checkText(spot: Spot, minor: number | undefined): Sink[] {
  const text = spot.node.kind === 'string' ? spot.node.value : ''
  if (text.trim() === '') {
    // Version 1.0 passes over empty routes; from 1.1 on RouteSpec refuses them.
    if (minor !== 0) spot.finding('M020', 'the route is blank')
    return []
  }
  const reading = read(text, spot)
  if (reading === undefined) return []
  if (!reading.ok) {
    spot.finding(reading.expanded ? 'M051' : 'M020', reading.message)
    return []
  }
  const { sink, refusedCalls, ignored } = reading.route
  if (ignored !== undefined) spot.finding('M027', `edgeHub does not look at what stands behind the sink: ${ignored}`)
  for (const why of refusedCalls) spot.finding('M028', why)
  return sink.kind === 'module' ? [{ module: sink.module, spot }] : []
}

/** Reads a route; one with holes counts as good where some filling is, and as unknown in a template where none is. */
function read(text: string, spot: Spot): RouteReading | undefined {
  const reading = readRoute(text)
  if (reading.ok) return reading
  if (spot.around.kind === 'template' && routeHole(text) !== undefined) return undefined
  if (angleHole(text) === undefined) return reading
  return (
    filled(text, documentHoles)
      .map(readRoute)
      .find(({ ok }) => ok) ?? reading
  )
}

/** @returns the minor version, or undefined where it is open or wrong */
function checkVersion(desired: Spot): number | undefined {
  const field = desired.get('schemaVersion')
  if (field === undefined) {
    desired.missing('M010', 'schemaVersion', '$edgeHub needs schemaVersion, such as "1.1"')
    return undefined
  }
  if (isOpen(field)) return undefined
  // EdgeHubConfigParser.cs looks at major and minor only.
  const [major, minor = 0] = versionOf(textOf(field) ?? '') ?? []
  if (major === 1 && minor <= 3) {
    if (field.node.kind !== 'string') field.finding('M010', `schemaVersion ${notInQuotes}`, 'warning')
    return minor
  }
  field.finding('M010', 'schemaVersion of $edgeHub must be 1.0, 1.1, 1.2 or 1.3')
  return undefined
}

function checkStore(desired: Spot): void {
  const store = desired.get('storeAndForwardConfiguration')
  if (store === undefined) {
    desired.missing('M025', 'storeAndForwardConfiguration', '$edgeHub needs storeAndForwardConfiguration')
    return
  }
  if (store.node.kind === 'placeholder') return
  if (store.node.kind !== 'object') {
    store.finding('M080', 'storeAndForwardConfiguration must be an object')
    return
  }
  const seconds = store.get('timeToLiveSecs')
  checkWhole(seconds, [-2_147_483_648, 2_147_483_647], 'M025', 'timeToLiveSecs must be a whole number of seconds')
  const limits = store.get('storeLimits')
  if (limits === undefined || limits.node.kind === 'placeholder') return
  if (limits.node.kind !== 'object') {
    limits.finding('M080', 'storeLimits must be an object')
    return
  }
  checkWhole(limits.get('maxSizeBytes'), [1, Number.MAX_SAFE_INTEGER], 'M025', 'maxSizeBytes must be a number of bytes')
}

/** @param other than those of the range, what is taken too */
function checkWhole(
  field: Spot | undefined,
  [least, most]: readonly [number, number],
  code: 'M023' | 'M024' | 'M025',
  message: string,
  other?: number
): void {
  if (field === undefined || isOpen(field)) return
  const whole = wholeOf(field, least, Math.max(most, other ?? most))
  if (whole === undefined || (whole > most && whole !== other)) field.finding(code, message)
  else if (field.node.kind !== 'number') field.finding(code, `it ${numberInQuotes}`, 'warning')
}
