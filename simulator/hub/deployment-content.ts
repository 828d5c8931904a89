import { isObject, merge, TwinStore, type Properties } from '../twins.ts'
import { HubError } from './errors.ts'
import { checkId, isSystemModule, type IdentityRegistry } from './identities.ts'
import { checkSize, checkValues } from './twin-rules.ts'

/**
 * The desired properties that a deployment gives each twin, by module id, `$edgeAgent` and `$edgeHub` among them. A null
 * deletes (azure-sdk.md §7), so in a whole section it says nothing and is left out.
 */
export type DesiredByModule = ReadonlyMap<string, Properties>

const modulesPerDeployment = 50

/**
 * Reads the body of applyConfigurationContent: one complete deployment, `{"modulesContent": {"<module>":
 * {"properties.desired": {…}}}}` (deployment-manifests.md §1.1, §1.4). Layers' dotted keys belong to deployments at scale
 * and are refused here.
 *
 * @throws HubError before anything is changed
 */
export function readDeploymentContent(body: unknown): DesiredByModule {
  const modulesContent = isObject(body) ? body.modulesContent : undefined
  if (!isObject(modulesContent)) throw invalid('modulesContent is missing')
  for (const part of ['deviceContent', 'moduleContent'])
    if (isObject(body) && isObject(body[part])) throw invalid(`${part} does not go with modulesContent on one device`)
  const desired = new Map<string, Properties>()
  for (const [moduleId, section] of Object.entries(modulesContent)) {
    checkId(moduleId)
    if (!isObject(section)) throw invalid(`${moduleId} is not an object`)
    const [key, ...others] = Object.keys(section)
    const properties = section['properties.desired']
    if (key !== 'properties.desired' || others.length > 0 || !isObject(properties))
      throw invalid(`${moduleId} must have properties.desired and nothing else`)
    desired.set(moduleId, merge({}, properties))
  }
  for (const system of ['$edgeAgent', '$edgeHub'])
    if (!desired.has(system)) throw invalid(`${system} is missing; a single device takes a complete deployment only`)
  checkDesired(desired)
  return desired
}

/**
 * Checks the content of a deployment at scale, a base or a layer: sections hold `properties.desired` or dotted paths under
 * it (deployment-manifests.md §1.6), and values keep to a twin's limits already here (azure-iot-cli-extension#62).
 *
 * @throws HubError
 */
export function checkModulesContent(modulesContent: Properties): void {
  for (const [moduleId, section] of Object.entries(modulesContent)) {
    checkId(moduleId)
    if (!isObject(section)) throw invalid(`${moduleId} is not an object`)
    for (const [key, value] of Object.entries(section)) {
      if (key !== 'properties.desired' && !key.startsWith('properties.desired.'))
        throw invalid(`${moduleId} has '${key}', which is not under properties.desired`)
      checkValues(value, `${moduleId}.${key}`)
    }
  }
}

/**
 * Puts a deployment's desired properties on a device: whatever stood there before is replaced. Module identities that the
 * deployment names are made, those that an earlier deployment made and this one does not name are deleted, and twins of
 * modules without a section of their own stay as they are.
 *
 * @param desired as checked by {@link readDeploymentContent}; layers merged beforehand, where there are any
 */
export function applyContent(
  deviceId: string,
  desired: DesiredByModule,
  registry: IdentityRegistry,
  twins: TwinStore
): void {
  const device = registry.device(deviceId)
  if (device.capabilities?.iotEdge !== true)
    throw new HubError('ArgumentInvalid', `Device ${deviceId} is not an IoT Edge device`)
  const named = namedModules(desired)
  const leaving = registry
    .modules(deviceId)
    .flatMap(({ moduleId, managedBy }) => (moduleId !== undefined && managedBy === 'IotEdge' ? [moduleId] : []))
    .filter((moduleId) => !named.has(moduleId))
  const staying = registry.modules(deviceId).filter(({ moduleId }) => !leaving.includes(moduleId ?? ''))
  const userModules = new Set([...named, ...staying.map(({ moduleId }) => moduleId ?? '')])
  if ([...userModules].filter((moduleId) => !isSystemModule(moduleId)).length > modulesPerDeployment)
    throw new HubError('TooManyModulesOnDevice', `A device can have ${modulesPerDeployment} modules.`)
  for (const moduleId of leaving) registry.deleteModule(deviceId, moduleId)
  for (const moduleId of named)
    if (!registry.hasModule(deviceId, moduleId)) registry.createModule(deviceId, moduleId, { managedBy: 'IotEdge' })
  // $edgeAgent comes last: what it starts finds its own twin already there.
  for (const [moduleId, properties] of [...desired].sort(([one], [other]) => rank(one) - rank(other)))
    twins.replaceDesired(TwinStore.key(deviceId, moduleId), properties)
}

/** Every module the content speaks of: with a section of its own, or for edgeAgent to run. */
function namedModules(desired: DesiredByModule): Set<string> {
  return new Set([...desired.keys(), ...modulesToRun(desired)])
}

function modulesToRun(desired: DesiredByModule): string[] {
  const modules = desired.get('$edgeAgent')?.modules
  return isObject(modules) ? Object.keys(modules) : []
}

/** Checks what modules are to get as a whole, layers merged. @throws HubError */
export function checkDesired(desired: DesiredByModule): void {
  for (const [moduleId, properties] of desired) {
    checkValues(properties, `${moduleId}.properties.desired`)
    checkSize('desired', properties)
  }
  const modules = [...namedModules(desired)].filter((moduleId) => !isSystemModule(moduleId))
  for (const moduleId of modules) checkId(moduleId)
  if (modules.length > modulesPerDeployment)
    throw new HubError(
      'ArgumentInvalid',
      `A deployment can have ${modulesPerDeployment} modules; this one has ${modules.length}`
    )
}

function rank(moduleId: string): number {
  return moduleId === '$edgeAgent' ? 2 : moduleId === '$edgeHub' ? 1 : 0
}

function invalid(detail: string): HubError {
  return new HubError(
    'InvalidConfigurationContent',
    `The content provided for configuration is invalid. Please check and try again: ${detail}`
  )
}
