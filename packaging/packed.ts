import { existsSync } from 'node:fs'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './bundle.ts'

/*
 * `npm pack` runs this before and after. The tarball's package.json names no dependency: the bundle holds them, and a
 * pipeline that installs the tarball needs no registry. npm packs the file as it stands on disk, so it stands there for
 * that moment; the checkout's own waits in dist/, and comes back even where an earlier run was interrupted.
 */

const [file, kept] = [join(root, 'package.json'), join(root, 'dist/package.checkout.json')]

interface PackageJson {
  readonly [field: string]: unknown
}

if (process.argv[2] === 'before') {
  const text = await readFile(file, 'utf8')
  // Without scripts it is what an interrupted run has left.
  if ('scripts' in (JSON.parse(text) as PackageJson)) await writeFile(kept, text)
  const {
    scripts: _scripts,
    dependencies: _dependencies,
    devDependencies: _development,
    optionalDependencies: _optional,
    ...rest
  } = JSON.parse(await readFile(kept, 'utf8')) as PackageJson
  await writeFile(file, `${JSON.stringify({ ...rest, engines: { node: '>=22.13' } }, undefined, 2)}\n`)
} else if (existsSync(kept)) await rename(kept, file)
