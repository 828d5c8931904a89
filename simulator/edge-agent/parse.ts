import { readCreateOptions } from './create-options.ts'
import {
  DeploymentError,
  restartPolicies,
  type Deployment,
  type ModuleSpec,
  type RegistryCredential
} from './deployment.ts'
import { readImage, resolveUpstream } from './image-name.ts'
import {
  memberOf,
  readChoice,
  readInteger,
  readObject,
  readOptionalString,
  readText,
  refuse,
  versionOf,
  type Properties
} from './read.ts'

const lastOrder = 4_294_967_295

/**
 * Reads the desired properties of `$edgeAgent` by the runtime's rules and stops at the first that is broken
 * (deployment-manifests.md §1.2).
 *
 * @param upstream what `$upstream` stands for: the parent's host name, or the hub's on a top device
 * @throws {DeploymentError} 417 for no deployment at all, 412 for its schema version, 400 for its content
 */
export function parseDeployment(desired: Properties, upstream: string): Deployment {
  if (Object.keys(desired).length === 0)
    throw new DeploymentError(
      417,
      'This device has an empty configuration for the edge agent. Please set a deployment manifest.'
    )
  const schemaVersion =
    readOptionalString(memberOf(desired, 'schemaVersion'), 'schemaVersion') ?? refuse('schemaVersion is missing')
  const credentials = readRuntime(readObject(memberOf(desired, 'runtime'), 'runtime'), upstream)
  const system = readSystemModules(readObject(memberOf(desired, 'systemModules'), 'systemModules'), upstream)
  const modules = Object.entries(readObject(memberOf(desired, 'modules') ?? {}, 'modules')).map(([name, value]) =>
    readModule(name, readObject(value, `modules.${name}`), `modules.${name}`, upstream)
  )
  // The whole is deserialized before its version is looked at, so a broken module is a 400 under any version.
  checkSchemaVersion(schemaVersion)
  return { credentials, modules: [...system, ...modules] }
}

function checkSchemaVersion(text: string): void {
  const [major, minor = 0, build = 0, revision = 0] = versionOf(text)
  const beyond = minor > 1 || (minor === 1 && (build > 0 || revision > 0))
  if (major !== 1 || beyond)
    throw new DeploymentError(412, `The deployment schema version ${text} is not supported, the latest is 1.1.0`)
}

function readRuntime(runtime: Properties, upstream: string): RegistryCredential[] {
  readChoice(memberOf(runtime, 'type'), ['docker'], 'runtime.type')
  const settings = readObject(memberOf(runtime, 'settings'), 'runtime.settings')
  readOptionalString(memberOf(settings, 'minDockerVersion'), 'runtime.settings.minDockerVersion')
  readOptionalString(memberOf(settings, 'loggingOptions'), 'runtime.settings.loggingOptions')
  const path = 'runtime.settings.registryCredentials'
  return Object.entries(readObject(memberOf(settings, 'registryCredentials') ?? {}, path)).map(([name, value]) => {
    const credential = readObject(value, `${path}.${name}`)
    const address = readText(memberOf(credential, 'address'), `${path}.${name}.address`)
    return {
      address: resolveUpstream(address, upstream, `${path}.${name}.address`),
      username: readText(memberOf(credential, 'username'), `${path}.${name}.username`),
      password: readText(memberOf(credential, 'password'), `${path}.${name}.password`)
    }
  })
}

function readSystemModules(modules: Properties, upstream: string): ModuleSpec[] {
  const edgeAgent = memberOf(modules, 'edgeAgent')
  const edgeHub = memberOf(modules, 'edgeHub')
  const found: ModuleSpec[] = []
  if (edgeAgent !== undefined) {
    const path = 'systemModules.edgeAgent'
    const module = readCommon('edgeAgent', readObject(edgeAgent, path), path, upstream)
    // Whatever the deployment says, edgeAgent runs, always, first.
    found.push({ ...module, system: true, status: 'running', restartPolicy: 'always', startupOrder: 0 })
  }
  if (edgeHub !== undefined) {
    const path = 'systemModules.edgeHub'
    const module = readModule('edgeHub', readObject(edgeHub, path), path, upstream)
    found.push({ ...module, system: true })
  }
  return found
}

function readModule(name: string, module: Properties, path: string, upstream: string): ModuleSpec {
  const order = memberOf(module, 'startupOrder')
  return {
    ...readCommon(name, module, path, upstream),
    system: false,
    status: readChoice(memberOf(module, 'status'), ['running', 'stopped'], `${path}.status`),
    restartPolicy: readChoice(memberOf(module, 'restartPolicy') ?? 'always', restartPolicies, `${path}.restartPolicy`),
    startupOrder: order === undefined ? lastOrder : readInteger(order, `${path}.startupOrder`, 0, lastOrder)
  }
}

function readCommon(
  name: string,
  module: Properties,
  path: string,
  upstream: string
): Omit<ModuleSpec, 'system' | 'status' | 'restartPolicy' | 'startupOrder'> {
  readChoice(memberOf(module, 'type'), ['docker'], `${path}.type`)
  const settings = readObject(memberOf(module, 'settings'), `${path}.settings`)
  const image = readText(memberOf(settings, 'image'), `${path}.settings.image`)
  return {
    name,
    image: readImage(image, upstream, `${path}.settings.image`),
    createOptions: readCreateOptions(settings, `${path}.settings`),
    env: readEnvironment(memberOf(module, 'env'), `${path}.env`),
    imagePullPolicy: readChoice(
      memberOf(module, 'imagePullPolicy') ?? 'on-create',
      ['on-create', 'never'],
      `${path}.imagePullPolicy`
    ),
    version: readOptionalString(memberOf(module, 'version'), `${path}.version`) ?? ''
  }
}

/** `{ NAME: { value } }`; a missing value is the empty string, and anything but an object breaks the whole (EnvVal.cs). */
function readEnvironment(env: unknown, path: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(readObject(env ?? {}, path)).map(([name, entry]) => {
      const value = memberOf(readObject(entry, `${path}.${name}`), 'value')
      return [name, readOptionalString(value ?? '', `${path}.${name}.value`) ?? '']
    })
  )
}
