import { chmod, cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { mustRun } from '../real-tools.ts'
import { commandsUnder, scriptOf } from './document.ts'

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
 * A checkout of its own: packing changes package.json for a moment.
 *
 * @param folder where it is made
 */
export async function checkOut(folder: string): Promise<string> {
  const checkout = join(folder, 'checkout')
  await mkdir(checkout)
  for (const part of [
    '.ci',
    'generator',
    'manifests',
    'module',
    'packaging',
    'package.json',
    'deployment.template.json',
    'README.md'
  ])
    await cp(join(root, part), join(checkout, part), { recursive: true })
  await symlink(join(root, 'node_modules'), join(checkout, 'node_modules'))
  return checkout
}

/**
 * Lays the repository of a site out as docs/pipeline.md says it, by its own commands, with the worked example's site file, whose
 * passwords are in the key vault `plant-secrets`.
 *
 * @param heading of the document
 * @param folder with a checkout
 * @returns the repository
 */
export async function layOut(heading: 'GitHub' | 'Azure DevOps', folder: string): Promise<string> {
  const checkout = await checkOut(folder)
  const tfx = join(folder, 'bin/tfx')
  await mkdir(dirname(tfx))
  await writeFile(tfx, `#!/bin/sh\n[ "$1 $2 $3 $4" = 'build tasks upload --task-path' ] && [ -f "$5/task.json" ]\n`)
  await chmod(tfx, 0o755)
  const environment = npmEnvironment(folder)
  const script = `cd "$0" || exit\n${scriptOf(await commandsUnder(heading))}`
  await mustRun('bash', ['-c', script, checkout], {
    ...environment,
    PATH: [dirname(tfx), environment['PATH']].join(delimiter)
  })
  const site = join(folder, 'site')
  const example = await readFile(join(root, 'manifests/site.yaml'), 'utf8')
  await writeFile(join(site, 'site.yaml'), example.replace('# keyVault:', 'keyVault:'))
  return site
}
