import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { writeManyImages } from './many-images.ts'
import { end, isInstalled } from './processes.ts'
import type { Row } from './rows.ts'
import { causewayName, type Running } from './servers.ts'
import { stalledReaders, whileStalled } from './stalling.ts'
import { startParent, type LoggingParent } from './syncing.ts'

/** Each run of a row brings a repository that its server does not have yet. */
const repositories = 24
const imagesEach = 50

/**
 * How long a sync takes from one image to the next, before and while readers stall: 50 images of two layers of 16 KiB from
 * Debian's docker-registry, of which the slowest but one counts.
 */
export function syncRows(): Row[] {
  if (!isInstalled('docker-registry')) return []
  let parent: Promise<LoggingParent> | undefined
  const used = new Map<Running, number>()
  return [0, stalledReaders].map((readers): Row => {
    return {
      name: `sync p99, ${readers} readers stalled`,
      unit: 'ms',
      needs: '64 MiB',
      isFor: (name) => name.startsWith(causewayName),
      async prepare(_server, _content, folder) {
        parent ??= fill(join(folder, 'parent'))
        await parent
      },
      async run(server, content) {
        const { port } = (await parent) ?? { port: 0 }
        const number = used.get(server) ?? 0
        used.set(server, number + 1)
        if (number >= repositories) throw new Error(`the parent has no more than ${repositories} repositories to bring`)
        return whileStalled(server, content, readers, async () => ({
          value: await slowest(server, port, `fleet/app${number}`)
        }))
      },
      async finish() {
        const { child } = (await parent) ?? {}
        parent = undefined
        if (child !== undefined) await end(child)
      }
    }
  })
}

async function fill(folder: string): Promise<LoggingParent> {
  await mkdir(folder)
  const images = repositories * imagesEach
  await writeManyImages(folder, { images, layers: 2, shared: 0, layerSize: 16 * 1024, imagesPerRepository: imagesEach })
  return startParent(folder)
}

/** Milliseconds between two images, of all but the slowest of fifty. */
async function slowest({ configure, lines, name }: Running, port: number, repository: string): Promise<number> {
  if (configure === undefined || lines === undefined) throw new Error(`${name} cannot be told to sync`)
  const times: number[] = []
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const stop = lines((line) => {
    if (!line.includes(' image ready ')) return
    times.push(performance.now())
    if (times.length === imagesEach) resolve(undefined)
  })
  await configure({
    logLevel: 'Information',
    parent: { endpoint: `127.0.0.1:${port}`, protocol: 'http', tokenName: 'bench-token', password: 'not asked for' },
    imageSets: { fleet: { repositories: [`${repository}:*`] } }
  })
  const late = setTimeout(() => resolve(undefined), 60_000)
  await promise
  clearTimeout(late)
  stop()
  await configure({})
  if (times.length < imagesEach) throw new Error(`${name} brought ${times.length} images of ${imagesEach} in a minute`)
  const gaps = times.slice(1).map((time, at) => time - (times[at] ?? time))
  return gaps.sort((a, b) => a - b).at(-2) ?? NaN
}
