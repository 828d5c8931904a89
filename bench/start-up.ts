import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '../module/oci/digest.ts'
import { mediaTypes } from '../module/oci/media-types.ts'
import { parseRepository, parseTag } from '../module/oci/name.ts'
import { openStorage } from '../module/storage/open-storage.ts'
import type { IndexChange } from '../module/storage/storage.ts'
import { cores, end, freePort, residentMebibytes, start } from './processes.ts'
import type { Candidate } from './servers.ts'

/** Milliseconds to the first answer, and MiB in memory a second later. */
export interface StartUp {
  readonly name: string
  readonly milliseconds: number
  readonly mebibytes: number
}

const repositories = 1000
const tagsPerRepository = 10

/** A start of an empty `node:http` server, of the registry, and of the registry with 10,000 tags in 1,000 repositories. */
export async function startUps(folder: string, candidate: Candidate): Promise<StartUp[]> {
  const empty = await mkdtemp(join(folder, 'empty-'))
  const full = await mkdtemp(join(folder, 'full-'))
  await fill(join(full, 'data'))
  return [
    await emptyServer(),
    await measure(`${candidate.name}, nothing in it`, () => candidate.start(empty, cores.server)),
    await measure(`${candidate.name}, ${repositories * tagsPerRepository} tags`, () =>
      candidate.start(full, cores.server)
    )
  ]
}

async function emptyServer(): Promise<StartUp> {
  const port = await freePort()
  const code = `require('node:http').createServer((_, response) => response.end()).listen(${port}, '127.0.0.1')`
  return measure('an empty node:http server', async () => {
    const child = start(process.execPath, ['-e', code], cores.server)
    await Promise.resolve()
    return { port, pid: child.pid ?? 0, stop: () => end(child) }
  })
}

interface Started {
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

async function measure(name: string, begin: () => Promise<Started>): Promise<StartUp> {
  const began = performance.now()
  const server = await begin()
  for (;;) {
    const reply = await fetch(`http://127.0.0.1:${server.port}/healthz`).catch(() => undefined)
    if (reply !== undefined) break
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const milliseconds = performance.now() - began
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const mebibytes = residentMebibytes(server.pid)
  await server.stop()
  return { name, milliseconds, mebibytes }
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
