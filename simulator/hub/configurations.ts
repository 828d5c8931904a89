import { isDeepStrictEqual } from 'node:util'
import { isObject, type Properties } from '../twins.ts'
import { checkModulesContent } from './deployment-content.ts'
import { HubError } from './errors.ts'
import { checkIfMatch } from './preconditions.ts'
import { parseCondition } from './query-language.ts'

/** A deployment at scale as the hub keeps it. */
export interface Configuration {
  readonly id: string
  readonly schemaVersion: string
  readonly labels: Readonly<Record<string, string>>
  readonly content: Properties
  readonly targetCondition: string
  readonly createdTimeUtc: string
  readonly lastUpdatedTimeUtc: string
  readonly priority: number
  readonly metrics: Metrics
  readonly etag: string
}

interface Metrics {
  readonly results: Readonly<Record<string, number>>
  readonly queries: Readonly<Record<string, string>>
}

const mostConfigurations = 100
const mostMetrics = 5
/** Up to 128 lower-case letters, digits and what is left of ASCII without a space and `& ^ [ ] { } \ | " < > /`. */
const idPattern = /^[a-z0-9\-:.+%_#*?!(),=@;']{1,128}$/
const labelPattern = /^[A-Za-z0-9\-:.+%_#*?!(),=@;']{1,128}$/

/** The hub's deployments at scale: their content never changes, everything else may. */
export class Configurations {
  readonly #configurations = new Map<string, Configuration>()
  #changes = 0

  list(): Configuration[] {
    return [...this.#configurations.values()]
  }

  /** @throws HubError ConfigurationNotFound */
  get(id: string): Configuration {
    const configuration = this.#configurations.get(id)
    if (configuration === undefined)
      throw new HubError('ConfigurationNotFound', `Configuration ${id} does not exist in this hub`)
    return configuration
  }

  /**
   * Makes a configuration, or with `If-Match` changes one.
   *
   * @param id from the path
   * @param body as it came
   * @param ifMatch absent where the caller means to create: then one that exists is a conflict
   */
  put(id: string, body: Properties, ifMatch: string | undefined): { configuration: Configuration; created: boolean } {
    const existing = this.#configurations.get(id)
    if (ifMatch !== undefined) {
      checkIfMatch(ifMatch, this.get(id).etag)
    } else if (existing !== undefined) {
      throw new HubError('ConfigurationAlreadyExists', `Configuration ${id} already exists`)
    } else if (this.#configurations.size >= mostConfigurations) {
      throw new HubError('ConfigurationCountLimitExceeded', `A hub can have ${mostConfigurations} configurations`)
    }
    const now = new Date().toISOString()
    const configuration: Configuration = {
      ...readConfiguration(id, body, existing),
      createdTimeUtc: existing?.createdTimeUtc ?? now,
      lastUpdatedTimeUtc: now,
      etag: this.#nextEtag()
    }
    this.#configurations.set(id, configuration)
    return { configuration, created: existing === undefined }
  }

  delete(id: string, ifMatch: string | undefined): void {
    checkIfMatch(ifMatch, this.get(id).etag)
    this.#configurations.delete(id)
  }

  #nextEtag(): string {
    this.#changes += 1
    return Buffer.from(String(this.#changes)).toString('base64')
  }
}

function readConfiguration(
  id: string,
  body: Properties,
  existing: Configuration | undefined
): Omit<Configuration, 'createdTimeUtc' | 'lastUpdatedTimeUtc' | 'etag'> {
  if (!idPattern.test(id)) throw new HubError('ArgumentInvalid', `Configuration id '${id}' is invalid`)
  if (body.id !== undefined && body.id !== id)
    throw new HubError('ArgumentInvalid', `The id in the body is not the one in the path, '${id}'`)
  const priority = body.priority ?? 0
  if (!Number.isInteger(priority) || Number(priority) < 0)
    throw new HubError('ArgumentInvalid', 'priority must be a non-negative integer')
  return {
    id,
    schemaVersion: typeof body.schemaVersion === 'string' ? body.schemaVersion : '1.0',
    labels: readLabels(body.labels ?? {}),
    content: readContent(body.content, existing),
    targetCondition: readTargetCondition(body.targetCondition),
    priority: Number(priority),
    metrics: { results: {}, queries: readMetricQueries(body.metrics) }
  }
}

function readContent(content: unknown, existing: Configuration | undefined): Properties {
  if (existing !== undefined && (content === undefined || content === null)) return existing.content
  if (
    !isObject(content) ||
    !['modulesContent', 'moduleContent', 'deviceContent'].some((part) => isObject(content[part]))
  )
    throw new HubError(
      'InvalidConfigurationContent',
      'The content provided for configuration is invalid. Please check and try again'
    )
  if (existing !== undefined && !isDeepStrictEqual(existing.content, content))
    throw new HubError(
      'CannotModifyImmutableConfigurationContent',
      `The content of configuration ${existing.id} cannot be changed`
    )
  if (isObject(content.modulesContent)) checkModulesContent(content.modulesContent)
  return content
}

function readLabels(labels: unknown): Record<string, string> {
  if (!isObject(labels)) throw new HubError('ArgumentInvalid', 'labels must be an object of strings')
  return Object.fromEntries(
    Object.entries(labels).map(([name, value]) => {
      if (typeof value !== 'string' || !labelPattern.test(name) || !labelPattern.test(value))
        throw new HubError('ArgumentInvalid', `Label '${name}' is invalid`)
      return [name, value]
    })
  )
}

/** `*` is every device; anything else is read with the query language, so that a slip is found here and not never. */
function readTargetCondition(condition: unknown): string {
  if (typeof condition !== 'string' || condition.trim() === '')
    throw new HubError('InvalidConfigurationTargetCondition', 'targetCondition is missing')
  if (condition.trim() === '*') return condition
  try {
    parseCondition(condition)
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    throw new HubError('InvalidConfigurationTargetCondition', `targetCondition is invalid: ${detail}`)
  }
  return condition
}

function readMetricQueries(metrics: unknown): Record<string, string> {
  const queries = isObject(metrics) ? (metrics.queries ?? {}) : {}
  if (!isObject(queries)) throw new HubError('ArgumentInvalid', 'metrics.queries must be an object of strings')
  const entries = Object.entries(queries)
  if (entries.length > mostMetrics)
    throw new HubError('ArgumentInvalid', `A configuration can have ${mostMetrics} custom metrics`)
  return Object.fromEntries(
    entries.map(([name, query]) => {
      if (typeof query !== 'string') throw new HubError('ArgumentInvalid', `Metric '${name}' must be a string`)
      return [name, query]
    })
  )
}
