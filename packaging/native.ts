import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from './bundle.ts'
import { platforms, type Platform } from './platforms.ts'

interface Lockfile {
  readonly packages: Readonly<Record<string, { readonly version: string }>>
}

/** The package with koffi's binary for a platform, in which nothing but the binary is of that platform. */
export function nativePackage(platform: Platform): string {
  return `@koromix/koffi-linux-${platforms[platform]}`
}

/**
 * Finds koffi's binary for a platform: in `node_modules`, or, since npm installs there what this machine runs and nothing else,
 * brought by npm, of the version and with the integrity that the lockfile has.
 *
 * @param scratch where to bring it
 * @returns the folder of the package
 */
export async function findNative(platform: Platform, scratch: string): Promise<string> {
  const name = nativePackage(platform)
  const place = join('node_modules', name)
  if (existsSync(join(root, place))) return join(root, place)
  const lockfile = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as Lockfile
  const locked = lockfile.packages[`node_modules/${name}`]
  if (locked === undefined) throw new Error(`package-lock.json has no ${name}`)
  await mkdir(scratch, { recursive: true })
  const dependencies = { [name]: locked.version }
  const write = (file: string, content: unknown): Promise<void> =>
    writeFile(join(scratch, file), JSON.stringify(content, undefined, 2))
  await write('package.json', { private: true, dependencies })
  await write('package-lock.json', {
    lockfileVersion: 3,
    requires: true,
    packages: { '': { dependencies }, [`node_modules/${name}`]: { ...locked, optional: false } }
  })
  // Forced: it is not for this machine.
  const words = ['ci', '--force', '--ignore-scripts', '--loglevel', 'error', '--prefix', scratch]
  try {
    await promisify(execFile)('npm', words, { cwd: scratch })
  } catch (cause) {
    const said = (cause as { stderr?: string }).stderr?.trim().split('\n')[0] ?? String(cause)
    throw new Error(
      `npm does not bring ${name}, with which blobs leave by sendfile (${said}): try again where a registry is reachable, ` +
        'or give --without-native, and blobs leave by reads',
      { cause }
    )
  }
  return join(scratch, place)
}
