import { glob, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { GeneratorError } from '../errors.ts'

export interface ManifestFile {
  /** As the person named it, or as it was found below a folder. */
  readonly file: string
  readonly text: string
}

/** Folders that hold other people's files, or a tool's own. */
const passedOver: ReadonlySet<string> = new Set(['node_modules', '.git'])

/** Something of a deployment's own words: other JSON in a folder (package.json, module.json) is none of ours. */
const looksLikeDeployment = /"modules?Content"|"\$edgeAgent"/

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
    if (name === '-') files.push({ file: '-', text: await readAll(stdin) })
    else if (await isFolder(name, workingFolder)) files.push(...(await readFolder(name, workingFolder)))
    else files.push({ file: name, text: await reading(name, () => readFile(resolve(workingFolder, name), 'utf8')) })
  }
  return files
}

async function readFolder(folder: string, workingFolder: string): Promise<ManifestFile[]> {
  const root = resolve(workingFolder, folder)
  const found: string[] = []
  for await (const path of glob('**/*.json', { cwd: root, exclude: (name) => passedOver.has(name) })) found.push(path)
  const files: ManifestFile[] = []
  for (const path of found.sort()) {
    const text = await reading(join(folder, path), () => readFile(join(root, path), 'utf8'))
    if (looksLikeDeployment.test(text)) files.push({ file: join(folder, path), text })
  }
  if (files.length > 0) return files
  throw new GeneratorError('MANIFEST_UNREADABLE', `there is no deployment manifest in ${folder}`)
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
