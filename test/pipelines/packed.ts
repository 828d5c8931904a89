import { cp, mkdir, symlink } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { mustRun } from '../real-tools.ts'

const root = join(import.meta.dirname, '../..')

/** An environment in which npm asks no registry, and this Node comes first. */
export function npmEnvironment(folder: string): Record<string, string> {
  return {
    HOME: folder,
    PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
    npm_config_cache: join(folder, 'cache'),
    // Nobody listens there: what is asked of a registry fails.
    npm_config_registry: 'http://127.0.0.1:9/'
  }
}

/**
 * `npm pack`, in a checkout of its own: packing changes package.json for a moment.
 *
 * @param folder takes the checkout and the tarball
 */
export async function pack(folder: string): Promise<{ readonly tarball: string; readonly checkout: string }> {
  const checkout = join(folder, 'checkout')
  await mkdir(checkout)
  for (const part of [
    '.ci',
    'generator',
    'module',
    'packaging',
    'package.json',
    'deployment.template.json',
    'README.md'
  ])
    await cp(join(root, part), join(checkout, part), { recursive: true })
  await symlink(join(root, 'node_modules'), join(checkout, 'node_modules'))
  const words = ['pack', '--prefix', checkout, '--pack-destination', folder, checkout]
  const name = (await mustRun('npm', words, npmEnvironment(folder))).split('\n').at(-1) ?? ''
  return { tarball: join(folder, name), checkout }
}
