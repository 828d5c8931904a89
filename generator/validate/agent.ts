import { checkCredentials, checkMatching, type Credentials } from './credentials.ts'
import { checkModule, checkPartOfModule, checkType, isOpen, type ModuleSpec } from './module-spec.ts'
import { notInQuotes, textOf } from './lenient.ts'
import { templateHole } from './placeholders.ts'
import type { Spot } from './place.ts'

/** What `$edgeAgent` says, as far as it could be read. */
export interface AgentSection {
  readonly modules: readonly ModuleSpec[]
  /** Names of the user modules, those that could not be read too. */
  readonly names: ReadonlySet<string>
}

const mostModules = 50
/** What az's schema takes; IoT Hub itself takes more (deployment-manifests.md §1.2). */
const moduleName = /^[a-zA-Z0-9_-]+$/
/** IoT Hub's own rule (docs: iot-hub-devguide-identity-registry). */
const moduleId = /^[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}$/
const credentialName = /^[^.$# ]+$/

/** Checks the desired properties of `$edgeAgent` (deployment-manifests.md §1.2), all of them: edgeAgent stops at the first. */
export function checkAgent(desired: Spot): AgentSection {
  checkVersion(desired)
  const credentials = checkRuntime(desired)
  const system = checkSystemModules(desired)
  const { modules, names } = checkModules(desired)
  const all = [...system, ...modules]
  checkMatching(imagesOf(all), credentials)
  checkLogs(desired, all)
  return { modules: all, names }
}

/** System.Version, major 1, not above 1.1.0: 1.1.1 and 1.2 are a 412. */
function checkVersion(desired: Spot): void {
  const field = desired.get('schemaVersion')
  if (field === undefined) {
    desired.missing('M010', 'schemaVersion', '$edgeAgent needs schemaVersion, such as "1.1"')
    return
  }
  if (isOpen(field)) return
  const [major, minor = 0, build = 0, revision = 0] = versionOf(textOf(field) ?? '') ?? []
  const beyond = minor > 1 || (minor === 1 && (build > 0 || revision > 0))
  if (major !== 1 || beyond) field.finding('M010', 'schemaVersion of $edgeAgent must be "1.0" or "1.1"')
  else if (field.node.kind !== 'string') field.finding('M010', `schemaVersion ${notInQuotes}`, 'warning')
}

/** As System.Version reads it: two to four numbers. */
export function versionOf(text: string): readonly number[] | undefined {
  return /^\d+(?:\.\d+){1,3}$/.test(text.trim()) ? text.trim().split('.').map(Number) : undefined
}

function checkRuntime(desired: Spot): Credentials {
  const runtime = desired.get('runtime')
  const open: Credentials = { addresses: [], open: true }
  if (runtime === undefined) {
    desired.missing('M011', 'runtime', '$edgeAgent needs runtime')
    return open
  }
  if (runtime.node.kind === 'placeholder') return open
  if (runtime.node.kind !== 'object') {
    runtime.finding('M080', 'runtime must be an object')
    return open
  }
  checkType(runtime, 'M011')
  const settings = runtime.get('settings')
  if (settings === undefined) {
    runtime.missing('M011', 'settings', 'runtime needs settings, which may be empty: {}')
    return open
  }
  if (settings.node.kind === 'placeholder') return open
  if (settings.node.kind !== 'object') {
    settings.finding('M080', 'settings must be an object')
    return open
  }
  for (const name of ['minDockerVersion', 'loggingOptions']) {
    const field = settings.get(name)
    if (field !== undefined && (field.node.kind === 'object' || field.node.kind === 'array'))
      field.finding('M011', `${name} must be a text`)
  }
  const list = settings.get('registryCredentials')
  for (const { key, spot } of list?.members() ?? [])
    if (/#/.test(key) && !credentialName.test(key))
      spot.finding('M014', `az's schema refuses the name ${key} for a credential`)
  return checkCredentials(list)
}

function checkSystemModules(desired: Spot): ModuleSpec[] {
  const system = desired.get('systemModules')
  if (system === undefined) {
    desired.missing('M012', 'systemModules', '$edgeAgent needs systemModules')
    return []
  }
  if (system.node.kind === 'placeholder') return []
  if (system.node.kind !== 'object') {
    system.finding('M080', 'systemModules must be an object')
    return []
  }
  const found = [
    { name: 'edgeAgent', agent: true },
    { name: 'edgeHub', agent: false }
  ].map(({ name, agent }) => {
    const spot = system.get(name)
    return spot === undefined ? undefined : checkModule(name, spot, agent)
  })
  return found.filter((module) => module !== undefined)
}

/**
 * Checks the modules, as many as there are.
 *
 * @param isWhole whether a layer sets all of what stands at a path; of the other modules the base has the rest
 */
export function checkModules(
  desired: Spot,
  isWhole: (...path: readonly string[]) => boolean = () => true
): AgentSection {
  const list = desired.get('modules')
  if (list === undefined || list.node.kind === 'placeholder') return { modules: [], names: new Set() }
  if (list.node.kind !== 'object') {
    list.finding('M080', 'modules must be an object of modules')
    return { modules: [], names: new Set() }
  }
  const members = list.members()
  if (members.length > mostModules)
    list.finding('M046', `${members.length} modules, and IoT Hub allows ${mostModules} on a device`)
  const modules = members.map(({ key, spot }) => {
    if (!isWhole('modules', key)) {
      checkPartOfModule(spot, isWhole('modules', key, 'settings'))
      return undefined
    }
    // The names that are no keys of a twin have their finding.
    if (key !== '' && !/[.$ ]/.test(key)) {
      checkModuleId(key, spot)
      if (isModuleId(key) && !moduleName.test(key))
        spot.finding('M014', `az's schema refuses the name ${key} for a module`)
    }
    return checkModule(key, spot)
  })
  return {
    modules: modules.filter((module) => module !== undefined),
    names: new Set(members.map(({ key }) => key))
  }
}

/** Checks a name that becomes a module's id; in a template it may still be a placeholder. */
export function checkModuleId(name: string, spot: Spot): void {
  if (isModuleId(name) || (spot.around.kind === 'template' && templateHole(name) !== undefined)) return
  // What cannot be quoted within a line is not quoted.
  const shown =
    name.length <= 128 && !/[\u0000-\u001f\u007f-\u009f]/.test(name) ? `"${name}"` : `${name.length} characters`
  spot.finding('M016', `IoT Hub takes no module called so: ${shown}`)
}

function isModuleId(name: string): boolean {
  return moduleId.test(name)
}

/** One remark for the whole file: nine lines of the same kind would hide the tenth. */
function checkLogs(desired: Spot, modules: readonly ModuleSpec[]): void {
  const without = modules
    .filter(({ createOptions: { known, options } }) => {
      if (!known) return false
      const host =
        options?.kind === 'object' ? options.members.find(({ key }) => key === 'HostConfig')?.value : undefined
      return host?.kind !== 'object' || !host.members.some(({ key }) => key === 'LogConfig')
    })
    .map(({ name }) => name)
  if (without.length > 0)
    (desired.get('modules') ?? desired).finding('M092', `no LogConfig in createOptions of ${without.join(', ')}`)
}

export function imagesOf(modules: readonly ModuleSpec[]): NonNullable<ModuleSpec['image']>[] {
  return modules.flatMap(({ image }) => (image === undefined ? [] : [image]))
}
