import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Metafile } from 'esbuild'

interface PackageJson {
  readonly name?: string
  readonly version?: string
  readonly license?: string | { readonly type?: string }
}

const licenceFile = /^(?:licen[cs]e|copying|notice)(?:[.-].*)?$/i

/** Writes down whose code a bundle holds, and under which terms: most licences ask for that. */
export async function writeNotices(metafile: Metafile, root: string, file: string): Promise<void> {
  const folders = new Set<string>()
  for (const output of Object.values(metafile.outputs))
    for (const [input, { bytesInOutput }] of Object.entries(output.inputs)) {
      const folder = packageFolder(input)
      if (folder !== undefined && bytesInOutput > 0) folders.add(folder)
    }
  const notices = await Promise.all([...folders].sort().map((folder) => notice(join(root, folder))))
  await writeFile(
    file,
    `Causeway holds code of the packages below, each under its own licence.\n\n${notices.join('\n')}`
  )
}

/** `node_modules/a/node_modules/@b/c/lib/x.js` stands in `node_modules/a/node_modules/@b/c`. */
function packageFolder(input: string): string | undefined {
  return /^(?:[^?]*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input)?.[0]
}

async function notice(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as PackageJson
  const terms = typeof license === 'string' ? license : (license?.type ?? 'see below')
  const files = existsSync(folder) ? (await readdir(folder)).filter((each) => licenceFile.test(each)).sort() : []
  const texts = await Promise.all(files.map((each) => readFile(join(folder, each), 'utf8')))
  return [
    '='.repeat(80),
    `${name ?? folder} ${version ?? ''} (${terms})`,
    '',
    ...texts.map((text) => text.trim()),
    ''
  ].join('\n')
}
