import { readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { buffer as readAll } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { throwIfCancelled, unlessAborted } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'
import type { Io } from '../io.ts'
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

export interface ManifestFiles {
  readonly files: readonly ManifestFile[]
  /** `MANIFEST_UNREADABLE`: one for each that is not there, cannot be read, or is a folder without a deployment manifest. */
  readonly unreadable: readonly GeneratorError[]
}

/**
 * Reads files, folders (every deployment manifest below them) and `-` for stdin, in the order given. What cannot be read is told
 * beside the others: one wrong name among a hundred does not lose what is to be said of the rest.
 *
 * @param stdin who writes to it may take for ever; Ctrl-C ends that
 * @throws {GeneratorError} `CANCELLED`
 */
export async function readManifestFiles(
  names: readonly string[],
  workingFolder: string,
  { stdin = Readable.from([]), signal }: Pick<Io, 'stdin' | 'signal'>
): Promise<ManifestFiles> {
  const found: ManifestFiles[] = []
  const input = (): Promise<Buffer> => unlessAborted(readAll(stdin), signal)
  for (const name of names) {
    found.push(await collect(() => readNamed(name, workingFolder, input)))
    throwIfCancelled(signal)
  }
  return together(found)
}

async function readNamed(name: string, workingFolder: string, input: () => Promise<Buffer>): Promise<ManifestFiles> {
  if (name === '-') return readable({ file: '-', ...decodeText(await reading('stdin', input)) })
  const path = resolve(workingFolder, name)
  const entry = await reading(name, () => stat(path))
  if (!entry.isDirectory()) return readable(await readOne(name, path))
  const { files, unreadable } = await readFolder(path, name)
  if (files.length > 0 || unreadable.length > 0)
    return { files: files.toSorted((one, other) => (one.file < other.file ? -1 : 1)), unreadable }
  throw new GeneratorError('MANIFEST_UNREADABLE', `there is no deployment manifest in ${name}`)
}

/**
 * Every deployment manifest below a folder, links to files too; a link to a folder is not followed, for it may lead back up.
 *
 * @param shown what the folder is called
 */
async function readFolder(path: string, shown: string): Promise<ManifestFiles> {
  const found: ManifestFiles[] = []
  for (const entry of await reading(shown, () => readdir(path, { withFileTypes: true }))) {
    const inside = join(path, entry.name)
    const name = join(shown, entry.name)
    if (entry.isDirectory()) {
      if (!passedOver.has(entry.name)) found.push(await collect(() => readFolder(inside, name)))
    } else if (/\.json$/i.test(entry.name)) {
      // A link that leads nowhere is nobody's deployment.
      const isFile = entry.isFile() || (entry.isSymbolicLink() && (await leadsToFile(inside)))
      if (isFile) found.push(await collect(() => readDeployment(name, inside)))
    }
  }
  return together(found)
}

async function readDeployment(name: string, path: string): Promise<ManifestFiles> {
  const file = await readOne(name, path)
  return isDeployment(file.text) ? readable(file) : together([])
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

function readable(file: ManifestFile): ManifestFiles {
  return { files: [file], unreadable: [] }
}

function together(parts: readonly ManifestFiles[]): ManifestFiles {
  return {
    files: parts.flatMap(({ files }) => files),
    unreadable: parts.flatMap(({ unreadable }) => unreadable)
  }
}

async function collect(read: () => Promise<ManifestFiles>): Promise<ManifestFiles> {
  try {
    return await read()
  } catch (error) {
    if (!(error instanceof GeneratorError)) throw error
    return { files: [], unreadable: [error] }
  }
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
