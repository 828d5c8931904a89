import { chmod, cp, mkdtemp, opendir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { create } from 'tar'
import { bundle, root } from './bundle.ts'
import { nativePackage } from './native.ts'
import type { Platform } from './platforms.ts'

/** Of koffi what is run: the rest are its C++ sources, its documents and how to build it. */
const runtimeOfKoffi = ['package.json', 'LICENSE.txt', 'index.js', 'src/koffi/index.js', 'src/koffi/src/static.js']

export interface Content {
  readonly platform: Platform
  /** Seconds since 1970 that every file is of. */
  readonly epoch: number
  /** The folder of koffi's package for the platform, or undefined where blobs are to leave by reads and writes. */
  readonly native: string | undefined
}

/**
 * Packs what the image adds to its base: the same sources give the same bytes.
 *
 * @param file the archive
 * @returns THIRD-PARTY-NOTICES of the program
 */
export async function pack({ platform, epoch, native }: Content, file: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-content-'))
  try {
    const program = join(folder, 'opt/causeway')
    await bundle('module', program)
    await cp(join(root, 'LICENSE'), join(program, 'LICENSE'))
    if (native !== undefined) {
      const packages = join(program, 'node_modules')
      await cp(native, join(packages, nativePackage(platform)), { recursive: true })
      for (const part of runtimeOfKoffi)
        await cp(join(root, 'node_modules/koffi', part), join(packages, 'koffi', part), { recursive: true })
    }
    const entries = (await settle(join(folder, 'opt'))).map((path) => relative(folder, path))
    const options = {
      file,
      cwd: folder,
      portable: true,
      noPax: true,
      noDirRecurse: true,
      mtime: new Date(epoch * 1000)
    }
    // Left to itself it writes folders as of 1970.
    await create({ ...options, onWriteEntry: (entry) => (entry.noMtime = false) }, entries.sort())
    return await readFile(join(program, 'THIRD-PARTY-NOTICES'), 'utf8')
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Modes of a checkout differ from one to the next, and would be another layer. @returns the folder, and all in it */
async function settle(folder: string): Promise<string[]> {
  const paths = [folder]
  for await (const entry of await opendir(folder)) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) paths.push(...(await settle(path)))
    else {
      await chmod(path, 0o644)
      paths.push(path)
    }
  }
  await chmod(folder, 0o755)
  return paths
}
