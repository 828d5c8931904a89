import { parse } from 'dotenv'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { GeneratorError } from '../errors.ts'

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

/** `MODULES.<name>[.<platform>|.debug]`, `MODULEDIR<path>[.<platform>|.debug]`; the tools that began these are greedy here. */
const moduleName = /\$\{(MODULES\.([^.}<>]+)(?:\.([^}]+))?|MODULEDIR<([^>]+)>(?:\.([^}]+))?)\}/g

/**
 * What a template's placeholders stand for, by the conventions of iotedgedev and the tools for VS Code: a `.env` file beside
 * the template, `MODULES_PATH`, `DEFAULT_PLATFORM`, `CONTAINER_TAG`, and a `module.json` for each module that is named.
 *
 * @param path absolute path of the template
 * @param platform for modules that are named without one
 * @throws {GeneratorError} `TEMPLATE_INVALID` for a module.json that is not there, is none, or lacks the platform
 */
export async function readTemplateEnvironment(
  text: string,
  path: string,
  env: Readonly<Record<string, string | undefined>>,
  platform?: string
): Promise<TemplateEnvironment> {
  const folder = dirname(path)
  // What is set in the environment goes before the file, as everywhere.
  const variables = { ...parse(await readOptional(join(folder, '.env'))), ...env }
  const images: Record<string, string> = {}
  // The text is JSON, in which a backslash of a path is doubled.
  const undoubled = text.replaceAll('\\\\', '\\')
  for (const [, name = '', module, modulePlatform, moduleFolder, folderPlatform] of undoubled.matchAll(moduleName)) {
    const at = moduleFolder === undefined ? join(variables['MODULES_PATH'] ?? 'modules', module ?? '') : moduleFolder
    const wanted = modulePlatform ?? folderPlatform
    const fallback = platform ?? variables['DEFAULT_PLATFORM'] ?? 'amd64'
    const file = join(folder, at.replaceAll('\\', '/').trim(), 'module.json')
    images[name] = await imageOf(
      file,
      wanted === undefined ? fallback : wanted === 'debug' ? `${fallback}.debug` : wanted,
      {
        variables,
        name: `\${${name}}`
      }
    )
  }
  return { variables, images }
}

async function imageOf(
  file: string,
  platform: string,
  { variables, name }: { readonly variables: TemplateEnvironment['variables']; readonly name: string }
): Promise<string> {
  const refuse = (why: string): GeneratorError => new GeneratorError('TEMPLATE_INVALID', `${name}: ${file} ${why}`)
  let value: unknown
  try {
    value = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw refuse(error instanceof SyntaxError ? 'is not JSON' : 'cannot be read')
  }
  const parsed = moduleFile.safeParse(value)
  if (!parsed.success) throw refuse(`is no module.json, at ${parsed.error.issues[0]?.path.join('.') ?? ''}`)
  const { repository, tag } = parsed.data.image
  if (tag.platforms[platform] === undefined)
    throw refuse(`has no platform ${platform}; it has ${Object.keys(tag.platforms).join(', ')}`)
  const containerTag = variables['CONTAINER_TAG']
  const expand = (text: string): string =>
    expandPlaceholders(text, (placeholder, each) => {
      const value = variables[each]
      if (value === undefined) throw refuse(`names ${placeholder}, which is not set`)
      return value
    })
  const version = [expand(tag.version), ...(containerTag === undefined || containerTag === '' ? [] : [containerTag])]
  // Engines refuse upper case in a repository.
  return `${expand(repository).toLowerCase()}:${version.join('-')}-${platform}`
}

/** IoT Edge's own, which devices put in place themselves. */
const reserved = /^(?:IOTEDGE_|upstream$|edgeAgent$|edgeHub$)/

/**
 * Puts something in place of each `${NAME}` and `$NAME`. Without braces only names in capitals count: `$upstream` in a route,
 * `$body` in a query and `$edgeHub` in a key are IoT Edge's. `$$NAME` and `$${NAME}` stay, with one dollar less.
 */
export function expandPlaceholders(text: string, replace: (placeholder: string, name: string) => string): string {
  return text.replace(environmentName, (whole, escaped: string | undefined, braced?: string, bare?: string) => {
    if (escaped !== undefined) return escaped.slice(1)
    const name = braced ?? bare ?? ''
    return reserved.test(name) ? whole : replace(whole, name)
  })
}

const environmentName = /(\$\$(?:\{[^}]*\}|[A-Z][A-Z0-9_]\w*))|\$\{([^}]*)\}|\$([A-Z][A-Z0-9_]\w*)/g

async function readOptional(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return ''
    throw new GeneratorError('TEMPLATE_UNREADABLE', `${path} cannot be read (${code ?? 'error'})`)
  }
}
