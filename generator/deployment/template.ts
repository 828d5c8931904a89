import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { GeneratorError } from '../errors.ts'
import { decodeText } from '../validate/encoding.ts'
import { dottedKeys, foldedPath, isLayer, unfolded, unfoldedPath } from './layer.ts'
import { withoutLeftovers } from './leftovers.ts'
import { defaultTemplate } from './template-name.ts'
import { noEnvironment, readTemplateEnvironment, type TemplateEnvironment } from './template-environment.ts'
import { readTemplateJson, type TemplateDocument } from './template-json.ts'

/** A deployment template: JSON with `${name}` in its values, and where each of them stood. */
export interface Template {
  readonly name: string
  readonly document: TemplateDocument
  /** The two sections every base deployment has, and the modules' own. A layer's stands here as a whole deployment's does. */
  readonly modulesContent: Readonly<Record<string, unknown>>
  /** Whether it adds to a base deployment, and becomes dotted keys again. */
  readonly layer: boolean
  /** Of a layer, the keys below modules: see `dottedKeys`. */
  readonly dotted: readonly string[]
  readonly environment: TemplateEnvironment
  /** Where a placeholder stood without quotes, as `${TTL}` does where a number goes: its value is JSON. */
  readonly bare: ReadonlySet<string>
  /** The template that comes with Causeway, from which one without a connected registry gets it. */
  readonly shipped?: Readonly<Record<string, unknown>>
}

export interface ReadTemplateOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  /** For modules that the template names without one. */
  readonly platform?: string | undefined
  /** Whether a layer is taken, too: a device is given whole deployments only. */
  readonly layers?: boolean
}

/**
 * Reads a deployment template.
 *
 * @param path as given by the user; the default name may also be answered by the template that comes with Causeway
 * @throws {GeneratorError} `TEMPLATE_UNREADABLE`, or `TEMPLATE_INVALID` with its place
 */
export async function readTemplate(
  path: string,
  workingFolder: string,
  { env = {}, platform, layers = false }: ReadTemplateOptions = {}
): Promise<Template> {
  let text: string
  try {
    text = (await readTemplateText(path, workingFolder)).replace(/^\uFEFF/, '')
  } catch (cause) {
    throw new GeneratorError(
      'TEMPLATE_UNREADABLE',
      `the template ${path} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'error'}); name it with --template`,
      { cause }
    )
  }
  const template = parseTemplate(text, path, layers)
  const environment = await readTemplateEnvironment(text, {
    name: path,
    path: resolve(workingFolder, path),
    env,
    platform
  })
  const shipped = parseTemplate(await readFile(shippedTemplate, 'utf8'), defaultTemplate)
  return { ...template, environment, shipped: shipped.modulesContent }
}

/** The template that comes with Causeway. */
export const shippedTemplate = new URL(`../../${defaultTemplate}`, import.meta.url)

async function readTemplateText(path: string, workingFolder: string): Promise<string> {
  try {
    return decodeText(await readFile(resolve(workingFolder, path))).text
  } catch (error) {
    if (path !== defaultTemplate || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return readFile(shippedTemplate, 'utf8')
  }
}

/** As {@link readTemplate}, from text. */
export function parseTemplate(text: string, name: string, layers = false): Template {
  const read = readTemplateJson(text)
  if ('message' in read) throw templateError(name, read.position, read.message)
  const { document, bare } = read
  // Both envelopes are about, and an old name of the content (facts: deployment-manifests §1.1).
  const inner = isRecord(document.value) && isRecord(document.value['content']) ? ['content'] : []
  const outer = inner.length > 0 && isRecord(document.value) ? document.value['content'] : document.value
  const key =
    isRecord(outer) && !('modulesContent' in outer) && 'moduleContent' in outer ? 'moduleContent' : 'modulesContent'
  const content = isRecord(outer) ? outer[key] : undefined
  if (!isRecord(content)) throw templateError(name, document.positionOf([]), 'it has no modulesContent')
  const layer = layers && isLayer(content)
  for (const section of layer ? [] : ['$edgeAgent', '$edgeHub'])
    if (!isRecord(content[section]) || !isRecord(content[section]['properties.desired']))
      throw templateError(
        name,
        document.positionOf([...inner, key, section]),
        `modulesContent.${section} must have properties.desired: this makes whole deployments, not layers`
      )
  const prefix = [...inner, key]
  const dotted = layer ? dottedKeys(content) : []
  const inFile = (path: readonly PropertyKey[]): readonly PropertyKey[] => (layer ? foldedPath(path, dotted) : path)
  return {
    name,
    document: {
      value: document.value,
      positionOf: (path, asKey) =>
        document.positionOf(path[0] === 'modulesContent' ? [...prefix, ...inFile(path.slice(1))] : path, asKey)
    },
    modulesContent: layer ? unfolded(withoutLeftovers(content)) : withoutLeftovers(content),
    layer,
    dotted,
    environment: noEnvironment,
    bare: new Set(
      bare.map((path) => placeKey(layer ? unfoldedPath(path.slice(prefix.length), dotted) : path.slice(prefix.length)))
    )
  }
}

/** How a place in a template's content is known in {@link Template.bare}. */
export function placeKey(path: readonly PropertyKey[]): string {
  return path.map(String).join('\0')
}

/** A finding in a template, with its place. */
export function templateError(
  name: string,
  position: { readonly line: number; readonly column: number },
  message: string
): GeneratorError {
  return new GeneratorError('TEMPLATE_INVALID', `${name}:${position.line}:${position.column}: ${message}`)
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * An object of a template's content that something is added to; empty where there is none, or null.
 *
 * @throws {GeneratorError} `TEMPLATE_INVALID` where something else stands, which would be lost
 */
export function objectIn(template: Template, path: readonly string[]): Readonly<Record<string, unknown>> {
  const value = path.reduce<unknown>(
    (at, key) => (isRecord(at) && Object.hasOwn(at, key) ? at[key] : undefined),
    template.modulesContent
  )
  if (isRecord(value)) return value
  if (value === undefined || value === null) return {}
  const hint = typeof value === 'string' && value.includes('$') ? ': write it out, with placeholders inside' : ''
  const kind = Array.isArray(value) ? 'list' : typeof value === 'string' ? 'text' : typeof value
  throw templateError(
    template.name,
    template.document.positionOf(['modulesContent', ...path]),
    `${path.at(-1) ?? ''} must be an object, and is a ${kind}${hint}`
  )
}

/** What `$edgeAgent` is to do, of a deployment's modules content. */
export function agentDesired(content: unknown): Readonly<Record<string, unknown>> | undefined {
  const agent = isRecord(content) ? content['$edgeAgent'] : undefined
  const desired = isRecord(agent) ? agent['properties.desired'] : undefined
  return isRecord(desired) ? desired : undefined
}

/** The same content with another {@link agentDesired}. */
export function withAgentDesired(content: unknown, desired: Readonly<Record<string, unknown>>): unknown {
  const agent = isRecord(content) && isRecord(content['$edgeAgent']) ? content['$edgeAgent'] : {}
  return { ...(content as object), $edgeAgent: { ...agent, 'properties.desired': desired } }
}
