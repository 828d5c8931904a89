import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { GeneratorError } from '../errors.ts'
import { defaultTemplate } from './template-name.ts'
import { parsePositioned, type PositionedDocument } from '../site-file/positions.ts'

/** A deployment template: JSON with `${name}` in its values, and where each of them stood. */
export interface Template {
  readonly name: string
  readonly document: PositionedDocument
  /** The two sections every base deployment has, and the modules' own. */
  readonly modulesContent: Readonly<Record<string, unknown>>
}

/**
 * Reads a deployment template.
 *
 * @param path as given by the user; the default name may also be answered by the template that comes with Causeway
 * @throws {GeneratorError} `TEMPLATE_UNREADABLE`, or `TEMPLATE_INVALID` with its place
 */
export async function readTemplate(path: string, workingFolder: string): Promise<Template> {
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
  return parseTemplate(text, path)
}

async function readTemplateText(path: string, workingFolder: string): Promise<string> {
  try {
    return await readFile(resolve(workingFolder, path), 'utf8')
  } catch (error) {
    if (path !== defaultTemplate || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return readFile(new URL(`../../${defaultTemplate}`, import.meta.url), 'utf8')
  }
}

/** As {@link readTemplate}, from text. */
export function parseTemplate(text: string, name: string): Template {
  // Positions come from the YAML parser, of which JSON is a part; what is not JSON must not slip in by that door.
  const document = parsePositioned(text)
  const [error] = document.errors
  if (error !== undefined) throw templateError(name, error.position, `it is not JSON: ${error.message}`)
  try {
    JSON.parse(text)
  } catch (cause) {
    throw templateError(name, placeOf(text, cause), 'it is not JSON')
  }
  const content = isRecord(document.value) ? document.value['modulesContent'] : undefined
  if (!isRecord(content)) throw templateError(name, { line: 1, column: 1 }, 'it has no modulesContent')
  for (const section of ['$edgeAgent', '$edgeHub'])
    if (!isRecord(content[section]) || !isRecord(content[section]['properties.desired']))
      throw templateError(
        name,
        document.positionOf(['modulesContent', section]),
        `modulesContent.${section} must have properties.desired: this makes whole deployments, not layers`
      )
  return { name, document, modulesContent: content }
}

/** A finding in a template, with its place. */
export function templateError(
  name: string,
  position: { readonly line: number; readonly column: number },
  message: string
): GeneratorError {
  return new GeneratorError('TEMPLATE_INVALID', `${name}:${position.line}:${position.column}: ${message}`)
}

/** V8 tells a position in most of its messages, and in the others the start of the file has to do. */
function placeOf(text: string, error: unknown): { line: number; column: number } {
  const offset = Number(/position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1] ?? 0)
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
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
