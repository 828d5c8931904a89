import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { GeneratorError } from '../errors.ts'
import { defaultTemplate } from './template-name.ts'
import { parsePositioned, type PositionedDocument } from '../site-file/positions.ts'
import { JsonSyntaxError, Lines, parseJson, type JsonNode } from '../validate/json.ts'
import { noEnvironment, readTemplateEnvironment, type TemplateEnvironment } from './template-environment.ts'

/** A deployment template: JSON with `${name}` in its values, and where each of them stood. */
export interface Template {
  readonly name: string
  readonly document: PositionedDocument
  /** The two sections every base deployment has, and the modules' own. */
  readonly modulesContent: Readonly<Record<string, unknown>>
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
  { env = {}, platform }: ReadTemplateOptions = {}
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
  const environment = await readTemplateEnvironment(text, resolve(workingFolder, path), env, platform)
  const shipped = parseTemplate(await readFile(shippedTemplate, 'utf8'), defaultTemplate)
  return { ...parseTemplate(text, path, environment), shipped: shipped.modulesContent }
}

/** The template that comes with Causeway. */
export const shippedTemplate = new URL(`../../${defaultTemplate}`, import.meta.url)

async function readTemplateText(path: string, workingFolder: string): Promise<string> {
  try {
    return await readFile(resolve(workingFolder, path), 'utf8')
  } catch (error) {
    if (path !== defaultTemplate || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return readFile(shippedTemplate, 'utf8')
  }
}

/** As {@link readTemplate}, from text. */
export function parseTemplate(text: string, name: string, environment = noEnvironment): Template {
  const { quoted, bare } = quoteBare(text, name)
  // Positions come from the YAML parser, of which JSON is a part.
  const document = parsePositioned(quoted)
  const [error] = document.errors
  if (error !== undefined) throw templateError(name, error.position, `it is not JSON: ${error.message}`)
  // Both envelopes are about, and an old name of the content (facts: deployment-manifests §1.1).
  const inner = isRecord(document.value) && isRecord(document.value['content']) ? ['content'] : []
  const outer = inner.length > 0 && isRecord(document.value) ? document.value['content'] : document.value
  const key =
    isRecord(outer) && !('modulesContent' in outer) && 'moduleContent' in outer ? 'moduleContent' : 'modulesContent'
  const content = isRecord(outer) ? outer[key] : undefined
  if (!isRecord(content)) throw templateError(name, { line: 1, column: 1 }, 'it has no modulesContent')
  for (const section of ['$edgeAgent', '$edgeHub'])
    if (!isRecord(content[section]) || !isRecord(content[section]['properties.desired']))
      throw templateError(
        name,
        document.positionOf([...inner, key, section]),
        `modulesContent.${section} must have properties.desired: this makes whole deployments, not layers`
      )
  const prefix = [...inner, key].join('\0')
  return {
    name,
    document: {
      ...document,
      positionOf: (path, asKey) =>
        document.positionOf(path[0] === 'modulesContent' ? [...inner, key, ...path.slice(1)] : path, asKey)
    },
    modulesContent: content,
    environment,
    bare: new Set([...bare].map((path) => (path.startsWith(prefix) ? path.slice(prefix.length + 1) : path)))
  }
}

/** How a place in a template's content is known in {@link Template.bare}. */
export function placeKey(path: readonly PropertyKey[]): string {
  return path.map(String).join('\0')
}

/** Puts quotes around placeholders that have none, and remembers where. What is no JSON otherwise is refused with its place. */
function quoteBare(text: string, name: string): { readonly quoted: string; readonly bare: ReadonlySet<string> } {
  let root: JsonNode
  try {
    root = parseJson(text)
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error
    throw templateError(name, new Lines(text).placeOf(error.at), `it is not JSON: ${error.message}`)
  }
  const found: { readonly at: number; readonly text: string; readonly key: string }[] = []
  const walk = (node: JsonNode, path: readonly PropertyKey[]): void => {
    if (node.kind === 'object') for (const { key, value } of node.members) walk(value, [...path, key])
    else if (node.kind === 'array') for (const [index, item] of node.items.entries()) walk(item, [...path, index])
    else if (node.kind === 'placeholder') found.push({ at: node.at, text: node.text, key: placeKey(path) })
  }
  walk(root, [])
  let quoted = text
  for (const { at, text: placeholder } of [...found].sort((a, b) => b.at - a.at))
    quoted = `${quoted.slice(0, at)}"${placeholder}"${quoted.slice(at + placeholder.length)}`
  return { quoted, bare: new Set(found.map(({ key }) => key)) }
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
