import { randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'
import { mediaTypes } from '../oci/media-types.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import { putBlob } from './contract.ts'
import { openStorage } from './open-storage.ts'

/*
 * The process that power-cut.test.ts kills: it writes blobs, tags and one growing partial file without end, and says on
 * stdout what the storage has acknowledged. `node power-cut-writer.ts <folder> <cycle>`
 */

const [folder = '', cycle = ''] = process.argv.slice(2)
const repository = parseRepository('app')
const storage = await openStorage({ folder })
// The first write hires a thread: what is to be cut short are those after it.
await storage.index.apply([])

// Synchronous, so that what was acknowledged is in the pipe before anything else happens.
const say = (...words: readonly (string | number)[]): void => void writeSync(1, `${words.join(' ')}\n`)

async function blobs(): Promise<never> {
  for (;;) {
    const digest = await putBlob(storage, randomBytes(1 + Math.floor(Math.random() * 600_000)))
    await storage.index.apply([{ kind: 'linkBlob', repository, digest }])
    say('blob', digest)
  }
}

async function tags(): Promise<never> {
  for (let round = 0; ; round++) {
    const bytes = randomBytes(500)
    const digest = await putBlob(storage, bytes)
    const tag = parseTag(`t${cycle}-${round}`)
    await storage.index.apply([
      { kind: 'putManifest', repository, digest, mediaType: mediaTypes.ociManifest, size: bytes.length },
      { kind: 'setTag', repository, tag, digest }
    ])
    say('tag', tag, digest)
  }
}

async function part(): Promise<never> {
  const key = `part-${cycle}`
  const ingest = await storage.blobs.ingest(key)
  for (;;) {
    await ingest.append(randomBytes(50_000))
    await ingest.flush()
    say('part', key, ingest.offset)
  }
}

await Promise.all([blobs(), tags(), part()])
