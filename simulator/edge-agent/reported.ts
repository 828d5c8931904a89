import { DeploymentError, type DeploymentStatus, type ModuleSpec } from './deployment.ts'
import { parseHubConfiguration } from './hub-config.ts'
import type { Module } from './module.ts'
import { isObject, type Properties } from './read.ts'
import { RouteCompilationError } from './route.ts'

const chunkLength = 512
const longestDescription = 512
const version = { version: '1.6.1', build: 'causeway-simulator', commit: '' }

/** What edgeAgent says of a deployment it took, refused, or could not carry out. */
export interface DeploymentReport {
  /** `$version` of the deployment taken last: a refused one does not count (Agent.cs reports its current config's). */
  readonly lastDesiredVersion: number
  readonly code: DeploymentStatus
  readonly description: string
}

/** The reported half of `$edgeAgent`: each module as desired, and how it does (deployment-manifests.md §1.2, §1.5). */
export function reportedProperties(report: DeploymentReport, modules: readonly Module[]): Properties {
  const select = (system: boolean): Properties =>
    Object.fromEntries(
      modules.filter(({ spec }) => spec.system === system).map((module) => [module.spec.name, reportedModule(module)])
    )
  return {
    schemaVersion: '1.1',
    version,
    lastDesiredVersion: report.lastDesiredVersion,
    lastDesiredStatus: { code: report.code, description: report.description.slice(0, longestDescription) },
    runtime: {
      type: 'docker',
      platform: { os: 'linux', architecture: process.arch === 'x64' ? 'x86_64' : process.arch }
    },
    systemModules: select(true),
    modules: select(false)
  }
}

/** The reported half of `$edgeHub`: what it made of its desired properties (deployment-manifests.md §1.3). */
export function reportedHub(desired: { readonly properties: Properties; readonly version: number }): Properties {
  let lastDesiredStatus = { code: 200, description: '' }
  try {
    parseHubConfiguration(desired.properties)
  } catch (error) {
    // TwinConfigSource.cs reports once all is parsed; a route that does not compile afterwards stands in edgeHub's log only.
    if (error instanceof RouteCompilationError) return reported(desired.version, lastDesiredStatus)
    if (!(error instanceof DeploymentError)) throw error
    const description = `Error while parsing desired properties - ${error.message}`
    lastDesiredStatus = { code: 400, description: description.slice(0, longestDescription) }
  }
  return reported(desired.version, lastDesiredStatus)
}

function reported(lastDesiredVersion: number, lastDesiredStatus: Properties): Properties {
  return { schemaVersion: '1.3', version, lastDesiredVersion, lastDesiredStatus }
}

function reportedModule(module: Module): Properties {
  const { spec } = module
  return {
    type: 'docker',
    status: spec.status,
    restartPolicy: spec.restartPolicy,
    imagePullPolicy: spec.imagePullPolicy,
    startupOrder: spec.startupOrder,
    version: spec.version,
    env: Object.fromEntries(Object.entries(spec.env).map(([name, value]) => [name, { value }])),
    settings: {
      image: spec.image,
      ...(module.container === undefined ? {} : { imageHash: module.container.digest }),
      ...createOptions(spec)
    },
    runtimeStatus: module.status,
    statusDescription: module.statusDescription,
    exitCode: module.exitCode,
    restartCount: module.restartCount,
    lastStartTimeUtc: time(module.startedAt),
    lastExitTimeUtc: time(module.exitedAt),
    lastRestartTimeUtc: time(module.restartedAt)
  }
}

/** edgeAgent echoes create options in chunks of 512 characters, which count towards the 32 KB. */
function createOptions(spec: ModuleSpec): Properties {
  const text = JSON.stringify(spec.createOptions)
  const chunks = Array.from({ length: Math.ceil(text.length / chunkLength) }, (_, position) =>
    text.slice(position * chunkLength, (position + 1) * chunkLength)
  )
  return Object.fromEntries(
    chunks.map((chunk, position) => [`createOptions${position === 0 ? '' : String(position).padStart(2, '0')}`, chunk])
  )
}

/** .NET's DateTime.MinValue is what edgeAgent says for "never". */
function time(date: Date | undefined): string {
  return date?.toISOString() ?? '0001-01-01T00:00:00Z'
}

/** The merge patch that turns `before` into `after`; undefined when there is nothing to say. */
export function difference(before: Properties, after: Properties): Record<string, unknown> | undefined {
  const patch: Record<string, unknown> = {}
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) patch[name] = null
  for (const [name, value] of Object.entries(after)) {
    const old = before[name]
    if (isObject(value) && isObject(old)) {
      const inner = difference(old, value)
      if (inner !== undefined) patch[name] = inner
    } else if (JSON.stringify(old) !== JSON.stringify(value)) patch[name] = value
  }
  return Object.keys(patch).length === 0 ? undefined : patch
}
