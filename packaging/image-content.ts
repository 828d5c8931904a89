import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, opendir, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { bundle, root } from './bundle.ts'

/** IoT Edge's names of platforms, as Node names them. */
export const platforms = { amd64: 'x64', arm64v8: 'arm64', arm32v7: 'arm' } as const
export type Platform = keyof typeof platforms

/** Of koffi what is run: the rest are its C++ sources, its documents and how to build it. */
const runtimeOfKoffi = ['package.json', 'LICENSE.txt', 'index.js', 'src/koffi/index.js', 'src/koffi/src/static.js']

export interface Content {
  /** Whether blobs leave by sendfile, for which a binary is needed: without it they leave by reads and writes. */
  readonly hasNative: boolean
}

/**
 * Lays out what the image adds to its base: the same sources give the same files, modes and times.
 *
 * @param folder made anew; stands for the image's root folder
 * @param epoch seconds since 1970 that every file is of
 */
export async function layOut(platform: Platform, folder: string, epoch: number): Promise<Content> {
  await rm(folder, { recursive: true, force: true })
  const program = join(folder, 'opt/causeway')
  await bundle('module', program)
  await cp(join(root, 'LICENSE'), join(program, 'LICENSE'))
  const native = `@koromix/koffi-linux-${platforms[platform]}`
  const hasNative = existsSync(join(root, 'node_modules', native))
  if (hasNative) {
    await copyPackage(native, program)
    for (const part of runtimeOfKoffi) await copyPackage(join('koffi', part), program)
  }
  await settle(folder, epoch)
  return { hasNative }
}

async function copyPackage(path: string, program: string): Promise<void> {
  await cp(join(root, 'node_modules', path), join(program, 'node_modules', path), { recursive: true })
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
