import { chmod, cp, mkdir, opendir, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { bundle, root } from './bundle.ts'
import { nativePackage } from './native.ts'
import type { Platform } from './platforms.ts'

/** Of koffi what is run: the rest are its C++ sources, its documents and how to build it. */
const runtimeOfKoffi = ['package.json', 'LICENSE.txt', 'index.js', 'src/koffi/index.js', 'src/koffi/src/static.js']

/**
 * Lays out what the image adds to its base: the same sources give the same files, modes and times.
 *
 * @param folder made anew; stands for the image's root folder
 * @param epoch seconds since 1970 that every file is of
 * @param native the folder of koffi's package for the platform, or undefined where blobs are to leave by reads and writes
 */
export async function layOut(
  platform: Platform,
  folder: string,
  epoch: number,
  native: string | undefined
): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  const program = join(folder, 'opt/causeway')
  await bundle('module', program)
  await cp(join(root, 'LICENSE'), join(program, 'LICENSE'))
  if (native !== undefined) {
    const packages = join(program, 'node_modules')
    await cp(native, join(packages, nativePackage(platform)), { recursive: true })
    for (const part of runtimeOfKoffi)
      await cp(join(root, 'node_modules/koffi', part), join(packages, 'koffi', part), { recursive: true })
  }
  await settle(folder, epoch)
}

/** Modes and times of a checkout differ from one to the next, and would be another layer. */
async function settle(folder: string, epoch: number): Promise<void> {
  await mkdir(folder, { recursive: true })
  for await (const entry of await opendir(folder)) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await settle(path, epoch)
    else {
      await chmod(path, 0o644)
      await utimes(path, epoch, epoch)
    }
  }
  await chmod(folder, 0o755)
  await utimes(folder, epoch, epoch)
}
