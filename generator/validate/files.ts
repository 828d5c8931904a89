import { readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { buffer as readAll } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { GeneratorError } from '../errors.ts'
import { decodeText, type Encoding } from './encoding.ts'
import { JsonSyntaxError, memberOf, parseJson, type JsonNode } from './json.ts'

export interface ManifestFile {
  /** As the person named it, or as it was found below a folder. */
  readonly file: string
  readonly text: string
  readonly encoding: Encoding
}

/** Folders that hold other people's files, or a tool's own. */
const passedOver: ReadonlySet<string> = new Set(['node_modules', '.git'])

/** Something of a deployment's own words: other JSON in a folder (package.json, module.json) is none of ours. */
const hasItsWords = /"modules?Content"|"\$edgeAgent"/

/**
 * Reads files, folders (every deployment manifest below them) and `-` for stdin, in the order given.
 *
 * @throws {GeneratorError} `MANIFEST_UNREADABLE` for what is not there, or a folder without any
 */
export async function readManifestFiles(
  names: readonly string[],
  workingFolder: string,
  stdin: Readable = Readable.from([])
): Promise<ManifestFile[]> {
  const files: ManifestFile[] = []
  for (const name of names) {
    if (name === '-') files.push({ file: '-', ...decodeText(await readAll(stdin)) })
    else if (await isFolder(name, workingFolder)) files.push(...(await readFolder(name, workingFolder)))
    else files.push(await readOne(name, resolve(workingFolder, name)))
  }
  return files
}

async function readFolder(folder: string, workingFolder: string): Promise<ManifestFile[]> {
  const files: ManifestFile[] = []
  for (const path of (await listJson(resolve(workingFolder, folder), folder)).sort()) {
    const file = await readOne(path, resolve(workingFolder, path))
    if (isDeployment(file.text)) files.push(file)
  }
  if (files.length > 0) return files
  throw new GeneratorError('MANIFEST_UNREADABLE', `there is no deployment manifest in ${folder}`)
}

/** Every `.json` file below a folder, links to files too; a link to a folder is not followed, for it may lead back up. */
async function listJson(path: string, shown: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await reading(shown, () => readdir(path, { withFileTypes: true }))) {
    const inside = join(path, entry.name)
    const name = join(shown, entry.name)
    if (entry.isDirectory()) {
      if (!passedOver.has(entry.name)) found.push(...(await listJson(inside, name)))
    } else if (/\.json$/i.test(entry.name)) {
      // A link that leads nowhere is nobody's deployment.
      const isFile = entry.isFile() || (entry.isSymbolicLink() && (await leadsToFile(inside)))
      if (isFile) found.push(name)
    }
  }
  return found
}

async function leadsToFile(path: string): Promise<boolean> {
  return stat(path).then(
    (target) => target.isFile(),
    () => false
  )
}

/** Whether this is a deployment manifest, or was meant to be one: schemas and programs have its words in other places. */
function isDeployment(text: string): boolean {
  if (!hasItsWords.test(text)) return false
  let document: JsonNode
  try {
    document = parseJson(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    if (error instanceof JsonSyntaxError) return true
    throw error
  }
  const names = ['modulesContent', 'moduleContent', '$edgeAgent']
  return [document, memberOf(document, 'content')?.value].some((node) =>
    names.some((name) => memberOf(node, name) !== undefined)
  )
}

async function readOne(file: string, path: string): Promise<ManifestFile> {
  return { file, ...decodeText(await reading(file, () => readFile(path))) }
}

async function isFolder(name: string, workingFolder: string): Promise<boolean> {
  return (await reading(name, () => stat(resolve(workingFolder, name)))).isDirectory()
}

async function reading<Result>(name: string, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read()
  } catch (cause) {
    throw new GeneratorError(
      'MANIFEST_UNREADABLE',
      `${name} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'error'})`,
      { cause }
    )
  }
}
