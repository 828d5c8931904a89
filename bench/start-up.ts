import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '../module/oci/digest.ts'
import { mediaTypes } from '../module/oci/media-types.ts'
import { parseRepository, parseTag } from '../module/oci/name.ts'
import { openStorage } from '../module/storage/open-storage.ts'
import type { IndexChange } from '../module/storage/storage.ts'
import { bundle } from '../packaging/bundle.ts'
import { nodeFlags, nodeVariables } from '../packaging/runtime.ts'
import { cores, cpuSeconds, end, freePort, residentMebibytes, start } from './processes.ts'
import type { Candidate } from './servers.ts'

/** Milliseconds to the first answer, those of a core that went into it, and MiB in memory when nothing was asked for a while. */
export interface StartUp {
  readonly name: string
  readonly milliseconds: number
  readonly cpuMilliseconds: number
  readonly mebibytes: number
}

/** Threads that a start needed have ended by then, and V8 has given their pages back. */
const idleMs = 25_000
const repositories = 1000
const tagsPerRepository = 10

/** A start of an empty `node:http` server, of the registry, and of the registry with 10,000 tags in 1,000 repositories. */
export async function startUps(folder: string, { name }: Pick<Candidate, 'name'>): Promise<StartUp[]> {
  const program = join(folder, 'bundle')
  await bundle('module', program)
  const empty = await mkdtemp(join(folder, 'empty-'))
  const full = await mkdtemp(join(folder, 'full-'))
  await fill(join(full, 'data/causeway'))
  return [
    await emptyServer(),
    await registry(`${name}, nothing in it`, program, empty),
    await registry(`${name}, ${repositories * tagsPerRepository} tags`, program, full)
  ]
}

async function emptyServer(): Promise<StartUp> {
  const port = await freePort()
  const code = `require('node:http').createServer((_, response) => response.end()).listen(${port}, '127.0.0.1')`
  return measure('an empty node:http server', ['-e', code], port)
}

/** As on a device: from the bundle. */
async function registry(name: string, program: string, folder: string): Promise<StartUp> {
  const port = await freePort()
  const settings = join(folder, 'settings.json')
  await writeFile(settings, JSON.stringify({ schemaVersion: '1.0', logLevel: 'Warning' }))
  return measure(name, [...nodeFlags, join(program, 'main.js')], port, {
    ...nodeVariables,
    CAUSEWAY_SETTINGS: settings,
    CAUSEWAY_DATA: join(folder, 'data'),
    CAUSEWAY_LISTEN: `127.0.0.1:${port}`
  })
}

async function measure(
  name: string,
  words: readonly string[],
  port: number,
  variables: Readonly<Record<string, string>> = {}
): Promise<StartUp> {
  const began = performance.now()
  const child = start(process.execPath, words, cores.server, variables)
  const pid = child.pid ?? 0
  try {
    while (!(await answers(port))) {
      if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    const milliseconds = performance.now() - began
    const cpuMilliseconds = 1000 * cpuSeconds(pid)
    await new Promise((resolve) => setTimeout(resolve, idleMs))
    return { name, milliseconds, cpuMilliseconds, mebibytes: residentMebibytes(pid) }
  } finally {
    await end(child)
  }
}

async function answers(port: number): Promise<boolean> {
  const reply = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined)
  await reply?.arrayBuffer()
  return reply?.ok === true
}

/** Every tag names one and the same manifest: what is read at a start are names, not bytes. */
async function fill(data: string): Promise<void> {
  const storage = await openStorage({ folder: join(data, 'storage') })
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociManifest }))
  const digest = digestOf(manifest)
  const ingest = await storage.blobs.ingest(digest)
  await ingest.append(manifest)
  await ingest.commit(digest)
  await storage.index.apply(
    Array.from({ length: repositories }, (_, at): IndexChange[] => {
      const repository = parseRepository(`team${at % 20}/app${at}`)
      return [
        { kind: 'putManifest', repository, digest, mediaType: mediaTypes.ociManifest, size: manifest.length },
        ...Array.from({ length: tagsPerRepository }, (_, version): IndexChange => {
          return { kind: 'setTag', repository, tag: parseTag(`1.${version}`), digest }
        })
      ]
    }).flat()
  )
  await storage.close()
}
