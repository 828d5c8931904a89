import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { openStorage } from '../../module/storage/open-storage.ts'

/*
 * Writes a data folder with the code of a release: `node test/upgrades/write.ts <its checkout> <file.tgz>`. To be run once
 * for each version of the index, with the last commit that wrote it; test/upgrades.test.ts opens what it gives.
 */

const [checkout = '', target = ''] = process.argv.slice(2)
const module = (await import(pathToFileURL(resolve(checkout, 'module/storage/open-storage.ts')).href)) as {
  openStorage: typeof openStorage
}
type Change = Parameters<Awaited<ReturnType<typeof openStorage>>['index']['apply']>[0][number]

const folder = mkdtempSync(join(tmpdir(), 'causeway-write-'))
const storage = await module.openStorage({ folder })
const repository = 'plant/app'

async function keep(bytes: Buffer): Promise<string> {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  const ingest = await storage.blobs.ingest(digest)
  await ingest.append(bytes)
  await ingest.commit(digest as never)
  return digest
}

const mediaType = 'application/vnd.oci.image.manifest.v1+json'
const config = Buffer.from('{}')
const configDigest = await keep(config)
const described = { mediaType: 'application/vnd.oci.empty.v1+json', digest: configDigest, size: config.length }
const image = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: described, layers: [described] }))
const imageDigest = await keep(image)
const subject = { mediaType, digest: imageDigest, size: image.length }
const artifactType = 'application/vnd.example.signature'
const signature = Buffer.from(
  JSON.stringify({ schemaVersion: 2, mediaType, artifactType, config: described, layers: [described], subject })
)
const signatureDigest = await keep(signature)
await storage.index.apply([
  { kind: 'linkBlob', repository, digest: configDigest },
  { kind: 'putManifest', repository, digest: imageDigest, mediaType, size: image.length },
  {
    kind: 'putManifest',
    repository,
    digest: signatureDigest,
    mediaType,
    size: signature.length,
    subject: imageDigest,
    artifactType
  },
  { kind: 'setTag', repository, tag: '1.0', digest: imageDigest },
  { kind: 'setState', key: 'a/key', value: { a: 'value' } }
] as unknown as Change[])
await storage.close()
execFileSync('tar', ['-C', folder, '-czf', resolve(target), '.'])
rmSync(folder, { recursive: true })
