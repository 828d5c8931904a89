import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build, type Metafile } from 'esbuild'
import { launcher } from './launcher.ts'
import { writeNotices } from './notices.ts'
import { builtins, ownSources, whenUsed, withoutUploads } from './plugins.ts'

export const root = join(import.meta.dirname, '..')

export type ProgramName = 'module' | 'causeway'

interface Program {
  readonly program: string
  /** What is started on its own beside it, by the name of its file: worker threads, and what the container engine runs. */
  readonly others: Readonly<Record<string, string>>
  /** Files that the program reads from beside itself. */
  readonly beside: readonly string[]
}

/** The oldest Node that the bundles run on: the last one for 32-bit ARM, and what pipelines have. */
export const oldestNode = '22.13'

const programs: Readonly<Record<ProgramName, Program>> = {
  module: {
    program: 'module/main.ts',
    others: {
      healthcheck: 'module/healthcheck.ts',
      'index-worker': 'module/storage/index-worker.ts',
      'hash-worker': 'module/storage/hash-worker.ts',
      'send-file-worker': 'module/registry/send-file-worker.ts'
    },
    beside: []
  },
  causeway: { program: 'generator/main.ts', others: {}, beside: ['deployment.template.json'] }
}

/**
 * Makes a program of plain JavaScript out of the sources: `main.js` in the folder, what it needs beside it, and the
 * licences of the packages within it in THIRD-PARTY-NOTICES. The same sources give the same bytes.
 *
 * @param folder made anew
 */
export async function bundle(name: ProgramName, folder: string): Promise<Metafile> {
  const { program, others, beside } = programs[name]
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const metafile = await bundleEntry(folder, { program })
  // Apart: what they have in common would come in a dozen small files, each of which costs a start most of a millisecond.
  for (const [other, source] of Object.entries(others)) {
    const { inputs, outputs } = await bundleEntry(folder, { [other]: source })
    Object.assign(metafile.inputs, inputs)
    Object.assign(metafile.outputs, outputs)
  }
  await writeFile(join(folder, 'main.js'), launcher(name))
  await writeFile(join(folder, 'package.json'), '{"type":"module"}\n')
  for (const file of beside) await copyFile(join(root, file), join(folder, file))
  await writeNotices(metafile, root, join(folder, 'THIRD-PARTY-NOTICES'))
  return metafile
}

async function bundleEntry(folder: string, entryPoints: Record<string, string>): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints,
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: `node${oldestNode}`,
    minify: true,
    // An uncaught error shows its line.
    lineLimit: 200,
    // Errors are told apart by their name, here and in the SDKs.
    keepNames: true,
    legalComments: 'none',
    // It finds its binary by its place.
    external: ['koffi'],
    plugins: [builtins, ownSources(root), whenUsed, withoutUploads],
    metafile: true,
    logLevel: 'warning'
  })
  return metafile
}
