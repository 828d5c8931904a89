import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { writeManyImages, type ManyImages } from './many-images.ts'
import { end, isInstalled } from './processes.ts'
import { startParent, SyncingModule, type Counted, type LoggingParent } from './syncing.ts'

/*
 * Measures a sync of many images from Debian's docker-registry: wall time, bytes over bytes needed, memory, and what a pass
 * costs that finds nothing to do. README.md has the last figures.
 */

const values = readArguments()
const folder = await mkdtemp(join(tmpdir(), 'causeway-bench-sync-'))
const before = loadavg()
try {
  await run()
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function run(): Promise<void> {
  if (!isInstalled('docker-registry')) throw new Error("Debian's docker-registry is not installed")
  const content = join(folder, 'parent')
  await mkdir(content)
  const held = await writeManyImages(content, {
    images: values.images,
    layers: 10,
    shared: 2,
    layerSize: values.layer * 1024,
    imagesPerRepository: 20
  })
  console.log(
    `${held.images} images of 10 layers, 2 of them shared, in ${held.repositories.length} repositories: ${held.blobs} blobs, ${mega(held.bytes)} MB; load before: ${before.map((each) => each.toFixed(1)).join(' ')}`
  )
  const parent = await startParent(content)
  const settings = join(folder, 'settings.json')
  await writeFile(settings, JSON.stringify(settingsFor(parent, held)))
  const module = await SyncingModule.start(folder, settings)
  try {
    const first = await module.pass(parent)
    say('first pass', first, held)
    console.log(`  bytes fetched ÷ needed: ${(first.bytes / held.bytes).toFixed(4)}`)
    if (values.pause > 0) await new Promise((resolve) => setTimeout(resolve, values.pause * 1000))
    const second = await module.pass(parent)
    say('second pass, nothing to do', second, held)
    await module.restart()
    say('pass after a restart, nothing to do', await module.pass(parent), held)
  } finally {
    await module.stop()
    await end(parent.child)
  }
}

function settingsFor({ port }: LoggingParent, { repositories }: ManyImages): object {
  const named = repositories.flatMap((repository) => Array.from({ length: 20 }, (_, tag) => `${repository}:1.${tag}`))
  return {
    schemaVersion: '1.0',
    parent: { endpoint: `127.0.0.1:${port}`, protocol: 'http', tokenName: 'bench-token', password: 'not asked for' },
    imageSets: { fleet: { repositories: values.exact ? named : repositories.map((repository) => `${repository}:*`) } },
    sync: { intervalMinutes: 1 },
    storage: { reserveMebibytes: 0 }
  }
}

function say(
  what: string,
  { seconds, requests, bytes, residentMebibytes, peakMebibytes }: Counted,
  held: ManyImages
): void {
  console.log(
    `${what}: ${seconds.toFixed(1)} s, ${requests} requests (${(requests / held.images).toFixed(3)} an image), ${mega(bytes)} MB (${mega(bytes / seconds)} MB/s); resident ${residentMebibytes.toFixed(0)} MiB, at most ${peakMebibytes.toFixed(0)} so far`
  )
}

function mega(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

/** Ends the program with one line where a flag is not known, or a number is none. */
function readArguments(): { images: number; layer: number; pause: number; exact: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        images: { type: 'string', default: '1000' },
        layer: { type: 'string', default: '64' },
        pause: { type: 'string', default: '0' },
        exact: { type: 'boolean', default: false }
      }
    })
    const [images, layer, pause] = [Number(values.images), Number(values.layer), Number(values.pause)]
    if (!Number.isInteger(images) || images < 1 || !(layer > 0) || !(pause >= 0))
      throw new Error('images, layer and pause are numbers')
    return { images, layer, pause, exact: values.exact }
  } catch (error) {
    console.error(`USAGE: ${error instanceof Error ? error.message : String(error)}; bench/README.md has the flags`)
    process.exit(1)
  }
}
