import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { read, type Blob, type Content, sha256 } from './content.ts'
import type { Running } from './servers.ts'

type Bytes = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

const agent = new Agent({ keepAlive: true })

/** Sends a body whose length the headers say. fetch would cost as much as a server does, on the cores that servers share. */
async function send(url: URL, method: string, headers: Record<string, string>, body: Bytes): Promise<IncomingMessage> {
  const sent = request(url, { method, headers, agent })
  const response = once(sent, 'response') as Promise<[IncomingMessage]>
  response.catch(() => undefined)
  for await (const bytes of body) if (!sent.write(bytes)) await once(sent, 'drain')
  sent.end()
  const [reply] = await response
  return reply
}

async function expectReply(sent: Promise<IncomingMessage>, status: number): Promise<IncomingMessage> {
  const reply = await sent
  const said = await text(reply)
  if (reply.statusCode !== status) throw new Error(`${reply.statusCode}: ${said}`)
  return reply
}

/** Opens an upload. @returns its address */
async function open(server: Running, repository: string, headers: Record<string, string>): Promise<URL> {
  const origin = `http://127.0.0.1:${server.port}`
  const reply = await expect(fetch(`${origin}/v2/${repository}/blobs/uploads/`, { method: 'POST', headers }), 202)
  return new URL(reply.headers.get('location') ?? '', origin)
}

/** Pushes a blob in one piece, whose length is known. */
export async function pushBlob(
  server: Running,
  repository: string,
  { digest, size }: { readonly digest: string; readonly size: number },
  body: Bytes
): Promise<void> {
  const headers = await server.headers()
  const location = await open(server, repository, headers)
  location.searchParams.set('digest', digest)
  const all = { ...headers, 'content-type': 'application/octet-stream', 'content-length': String(size) }
  await expectReply(send(location, 'PUT', all, body), 201)
}

/** Pushes a blob in pieces, as clients behind small proxies do. */
export async function pushChunked(
  server: Running,
  repository: string,
  digest: string,
  chunks: readonly Uint8Array[]
): Promise<void> {
  const headers = await server.headers()
  const origin = `http://127.0.0.1:${server.port}`
  let location = await open(server, repository, headers)
  let at = 0
  for (const chunk of chunks) {
    const all = {
      ...headers,
      'content-type': 'application/octet-stream',
      'content-length': String(chunk.length),
      'content-range': `${at}-${at + chunk.length - 1}`
    }
    const reply = await expectReply(send(location, 'PATCH', all, [chunk]), 202)
    location = new URL(reply.headers.location ?? '', origin)
    at += chunk.length
  }
  location.searchParams.set('digest', digest)
  await expect(fetch(location, { method: 'PUT', headers }), 201)
}

export async function pushManifest(
  server: Running,
  { repository, manifest, mediaType }: Content,
  reference: string,
  headers?: Record<string, string>
): Promise<void> {
  const all = { ...(headers ?? (await server.headers())), 'content-type': mediaType }
  const url = `http://127.0.0.1:${server.port}/v2/${repository}/manifests/${reference}`
  await expect(fetch(url, { method: 'PUT', headers: all, body: bodyOf(manifest) }), 201)
}

/** The image with every blob. */
export async function pushImage(server: Running, content: Content): Promise<void> {
  const { repository, config, blobs } = content
  await pushBlob(server, repository, { digest: sha256(config), size: config.length }, [config])
  for (const blob of blobs.values()) await pushBlob(server, repository, blob, read(blob))
  await pushManifest(server, content, content.tag)
}

/** Gives the image many tags; a second time is no harm. */
export async function pushTags(server: Running, content: Content, count: number): Promise<void> {
  const headers = await server.headers()
  await several(count, (number) => pushManifest(server, content, `t${String(number).padStart(5, '0')}`, headers))
}

/** Pushes many manifests that refer to the image, as signatures and bills of materials do. */
export async function pushReferrers(server: Running, content: Content, count: number): Promise<void> {
  const { config, mediaType } = content
  const headers = await server.headers()
  const subject = { mediaType, digest: sha256(content.manifest), size: content.manifest.length }
  await several(count, (number) => {
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType,
        artifactType: 'application/vnd.bench',
        config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: sha256(config), size: config.length },
        layers: [],
        subject,
        annotations: { number: String(number) }
      })
    )
    return pushManifest(server, { ...content, manifest }, sha256(manifest), headers)
  })
}

/** Gives other repositories an image of one blob, which they mount; a second time is no harm. */
export async function pushRepositories(server: Running, content: Content, count: number): Promise<void> {
  const { repository: from, config, mediaType } = content
  const described = {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    digest: sha256(config),
    size: config.length
  }
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: described, layers: [] }))
  await several(count, async (number) => {
    const repository = `bench/many/r${String(number).padStart(5, '0')}`
    const mount = `http://127.0.0.1:${server.port}/v2/${repository}/blobs/uploads/?mount=${described.digest}&from=${from}`
    await expect(fetch(mount, { method: 'POST', headers: await server.headers(repository) }), 201)
    await pushManifest(server, { ...content, repository, manifest }, 'latest', await server.headers(repository))
  })
}

/** Eight at a time. */
async function several(count: number, work: (number: number) => Promise<void>): Promise<void> {
  const numbers = Array.from({ length: count }, (_, index) => index).values()
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const number of numbers) await work(number)
    })
  )
}

/** Reads everything back once, outside the clock. @throws {Error} where a byte is another */
export async function verify(server: Running, repository: string, blobs: Iterable<Blob>): Promise<void> {
  for (const { digest } of blobs) {
    const url = `http://127.0.0.1:${server.port}/v2/${repository}/blobs/${digest}`
    const reply = await expect(fetch(url, { headers: await server.headers() }), 200)
    const hash = createHash('sha256')
    for await (const chunk of (reply.body ?? []) as AsyncIterable<Uint8Array>) hash.update(chunk)
    if (`sha256:${hash.digest('hex')}` !== digest) throw new Error(`${server.name} gave other bytes than ${digest}`)
  }
}

/** A blob that no server has yet: a block again and again, after a name of its own. */
export function newBlob(bytes: number, blockBytes: number): { readonly digest: string; readonly blocks: Uint8Array[] } {
  const block = Buffer.alloc(blockBytes, 'causeway')
  const first = Buffer.from(block)
  first.write(randomUUID())
  const blocks = Array.from({ length: bytes / blockBytes }, (_, index) => (index === 0 ? first : block))
  const hash = createHash('sha256')
  for (const each of blocks) hash.update(each)
  return { digest: `sha256:${hash.digest('hex')}`, blocks }
}

async function expect(sent: Promise<Response>, status: number): Promise<Response> {
  const reply = await sent
  if (reply.status !== status) throw new Error(`${reply.url}: ${reply.status} ${await reply.text()}`)
  return reply
}

/** fetch's types know only arrays that stand in no shared memory. */
function bodyOf(bytes: Uint8Array): NonNullable<RequestInit['body']> {
  return bytes as NonNullable<RequestInit['body']>
}
