import { parse } from 'dotenv'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { GeneratorError, throwAll } from '../errors.ts'
import { decodeText } from '../validate/encoding.ts'
import { Lines } from '../validate/json.ts'

/** What a template's `${NAME}` and `${MODULES.…}` stand for. */
export interface TemplateEnvironment {
  /** Environment variables, before those of the `.env` file beside the template. */
  readonly variables: Readonly<Record<string, string | undefined>>
  /** Images of the modules that a template names, by the whole name: `MODULES.camera.amd64`. */
  readonly images: Readonly<Record<string, string>>
}

export const noEnvironment: TemplateEnvironment = { variables: {}, images: {} }

const moduleFile = z.object({
  image: z.object({
    repository: z.string().min(1),
    tag: z.object({ version: z.string().min(1), platforms: z.record(z.string(), z.string()) })
  })
})

/**
 * `MODULES.<name>[.<platform>|.debug]`, `MODULEDIR<path>[.<platform>|.debug]`; the tools that began these are greedy here. In the
 * text of a template the backslash of a path is doubled.
 */
const moduleName = /\$\{(MODULES\.([^.}<>]+)(?:\.([^}]+))?|MODULEDIR<([^>]+)>(?:\.([^}]+))?)\}/g

export interface TemplateSurroundings {
  /** What errors call the template. */
  readonly name: string
  /** Where it is, absolute. */
  readonly path: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** For modules that are named without one. */
  readonly platform?: string | undefined
}

/**
 * What a template's placeholders stand for, by the conventions of iotedgedev and the tools for VS Code: a `.env` file beside
 * the template, `MODULES_PATH`, `DEFAULT_PLATFORM`, `CONTAINER_TAG`, and for each module that is named a `module.json`, which a
 * `.env` file of its own goes before.
 *
 * @throws {GeneratorError} `TEMPLATE_INVALID` for each module.json that is not there, is none, or lacks the platform
 */
export async function readTemplateEnvironment(
  text: string,
  { name: template, path, env, platform }: TemplateSurroundings
): Promise<TemplateEnvironment> {
  const folder = dirname(path)
  // What is set in the environment goes before the file, as everywhere.
  const variables = { ...(await readVariables(join(folder, '.env'))), ...env }
  const fallback = platform ?? variables['DEFAULT_PLATFORM'] ?? 'amd64'
  const images = new Map<string, string>()
  const lines = new Lines(text)
  const errors: GeneratorError[] = []
  for (const {
    index,
    1: written = '',
    2: module,
    3: modulePlatform,
    4: moduleFolder,
    5: folderPlatform
  } of text.matchAll(moduleName)) {
    const name = written.replaceAll('\\\\', '\\')
    if (images.has(name)) continue
    const at = moduleFolder === undefined ? join(variables['MODULES_PATH'] ?? 'modules', module ?? '') : moduleFolder
    const file = join(folder, at.replaceAll(/\\+/g, '/').trim(), 'module.json')
    const wanted = modulePlatform ?? folderPlatform
    const { line, column } = lines.placeOf(index)
    try {
      const image = await imageOf(
        file,
        wanted === undefined ? fallback : wanted === 'debug' ? `${fallback}.debug` : wanted,
        { variables, name: `${template}:${line}:${column}: \${${name}}` }
      )
      images.set(name, image)
    } catch (error) {
      if (!(error instanceof GeneratorError)) throw error
      // Said once for each, and all of them at once.
      images.set(name, '')
      errors.push(error)
    }
  }
  throwAll(errors)
  return { variables, images: Object.fromEntries(images) }
}

async function imageOf(
  file: string,
  platform: string,
  { variables: shared, name }: { readonly variables: TemplateEnvironment['variables']; readonly name: string }
): Promise<string> {
  const refuse = (why: string): GeneratorError => new GeneratorError('TEMPLATE_INVALID', `${name}: ${file} ${why}`)
  let value: unknown
  try {
    value = JSON.parse(decodeText(await readFile(file)).text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw refuse(error instanceof SyntaxError ? 'is not JSON' : 'cannot be read')
  }
  const parsed = moduleFile.safeParse(value)
  if (!parsed.success) throw refuse(`is no module.json, at ${parsed.error.issues[0]?.path.join('.') ?? ''}`)
  const { repository, tag } = parsed.data.image
  if (!Object.hasOwn(tag.platforms, platform))
    throw refuse(`has no platform ${platform}; it has ${Object.keys(tag.platforms).join(', ')}`)
  const variables = { ...shared, ...(await readVariables(join(dirname(file), '.env'))) }
  const containerTag = variables['CONTAINER_TAG']
  const expand = (text: string): string =>
    expandPlaceholders(text, ({ whole, name: each }) => {
      const value = variableOf(variables, each)
      if (value === undefined) throw refuse(`names ${whole}, which is not set`)
      return value
    })
  const version = [expand(tag.version), ...(containerTag === undefined || containerTag === '' ? [] : [containerTag])]
  // Engines refuse upper case in a repository.
  return `${expand(repository).toLowerCase()}:${version.join('-')}-${platform}`
}

/** A variable by name; `constructor` and its like are none. */
export function variableOf(variables: TemplateEnvironment['variables'], name: string): string | undefined {
  return Object.hasOwn(variables, name) ? variables[name] : undefined
}

/** IoT Edge's own, which devices put in place themselves. */
const reserved = /^(?:IOTEDGE_|upstream$|edgeAgent$|edgeHub$)/

export interface Placeholder {
  /** As it stands: `${NAME}` or `$NAME`. */
  readonly whole: string
  readonly name: string
  /** Without braces and not in capitals: a variable where one is called so, and else just what it says. */
  readonly unsure: boolean
}

/**
 * Puts something in place of each `${NAME}` and `$NAME`, but for IoT Edge's own `$upstream`, `$edgeHub` and `$IOTEDGE_…`.
 * `$$NAME` and `$${NAME}` stay, with one dollar less.
 */
export function expandPlaceholders(text: string, replace: (placeholder: Placeholder) => string): string {
  if (!text.includes('$')) return text
  return text.replace(
    environmentName,
    (whole, escaped: string | undefined, braced?: string, bare?: string, other?: string) => {
      if (escaped !== undefined) return escaped.slice(1)
      const name = braced ?? bare ?? other ?? ''
      return reserved.test(name) ? whole : replace({ whole, name, unsure: other !== undefined })
    }
  )
}

const environmentName =
  /(\$\$(?:\{[^}]*\}|[A-Z][A-Z0-9_]\w*))|\$\{([^}]*)\}|\$([A-Z][A-Z0-9_]\w*)|\$([A-Za-z]\w*|_\w+)/g

async function readVariables(path: string): Promise<Record<string, string>> {
  return parse(await readOptional(path))
}

async function readOptional(path: string): Promise<string> {
  try {
    return decodeText(await readFile(path)).text.replace(/^\uFEFF/, '')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return ''
    throw new GeneratorError('TEMPLATE_UNREADABLE', `${path} cannot be read (${code ?? 'error'})`)
  }
}
