import {
  isObject,
  readInteger,
  readObject,
  readOptionalString,
  readText,
  refuse,
  versionOf,
  type Properties
} from './read.ts'
import { compileRoute, parseRoute, type ParsedRoute, type Sink } from './route.ts'

/** What edgeHub takes from its desired properties. */
export interface HubConfiguration {
  readonly routes: Readonly<Record<string, Sink>>
  readonly timeToLiveSeconds: number
}

const versions = ['1.0', '1.1', '1.2', '1.3']
/** What edgeHub itself gives a route without priority; it takes it written out, too (RouteSpec.cs). */
const defaultPriority = 2_000_000_000

/**
 * Reads the desired properties of `$edgeHub` by the runtime's rules and stops at the first that is broken
 * (deployment-manifests.md §1.3). `mqttBroker` and `integrity` are taken and left alone, as today's runtime does.
 *
 * @throws {DeploymentError} 400
 * @throws {RouteCompilationError} where all parses and some route does not compile
 */
export function parseHubConfiguration(desired: Properties): HubConfiguration {
  const schemaVersion = readOptionalString(desired['schemaVersion'], 'schemaVersion')
  // EdgeHubConfigParser.cs looks at major and minor only.
  const version = versionOf(schemaVersion ?? '')
    .slice(0, 2)
    .join('.')
  if (!versions.includes(version))
    refuse(`The schema version ${schemaVersion ?? '(none)'} is not one of ${versions.join(', ')}`)
  const store = readObject(desired['storeAndForwardConfiguration'], 'storeAndForwardConfiguration')
  const timeToLiveSeconds = readInteger(
    store['timeToLiveSecs'] ?? 0,
    'storeAndForwardConfiguration.timeToLiveSecs',
    -2_147_483_648,
    2_147_483_647
  )
  if (store['storeLimits'] !== undefined) {
    const limits = readObject(store['storeLimits'], 'storeAndForwardConfiguration.storeLimits')
    readInteger(
      limits['maxSizeBytes'],
      'storeAndForwardConfiguration.storeLimits.maxSizeBytes',
      1,
      Number.MAX_SAFE_INTEGER
    )
  }
  const routes =
    version === '1.0' ? stringRoutes(desired['routes'] ?? {}) : specifiedRoutes(desired['routes'], 'routes')
  for (const route of Object.values(routes)) compileRoute(route)
  const sinks = Object.entries(routes).map(([name, { sink }]) => [name, sink] as const)
  return { routes: Object.fromEntries(sinks), timeToLiveSeconds }
}

/** Version 1.0 knows strings only, and passes over empty ones. */
function stringRoutes(value: unknown): Record<string, ParsedRoute> {
  return Object.fromEntries(
    Object.entries(readObject(value, 'routes'))
      .map(([name, route]) => [name, readOptionalString(route, `routes.${name}`) ?? ''] as const)
      .filter(([, route]) => route !== '')
      .map(([name, route]) => [name, parseRoute(route)])
  )
}

function specifiedRoutes(value: unknown, path: string): Record<string, ParsedRoute> {
  return Object.fromEntries(
    Object.entries(readObject(value, path)).map(([name, route]) => {
      if (!isObject(route)) return [name, parseRoute(readText(route, `${path}.${name}`))]
      const priority = readInteger(route['priority'] ?? 0, `${path}.${name}.priority`, 0, defaultPriority)
      if (priority > 9 && priority !== defaultPriority) refuse(`Invalid priority for route: ${name}`)
      if (route['timeToLiveSecs'] !== undefined)
        readInteger(route['timeToLiveSecs'], `${path}.${name}.timeToLiveSecs`, 0, 4_294_967_295)
      return [name, parseRoute(readText(route['route'], `${path}.${name}.route`))]
    })
  )
}
