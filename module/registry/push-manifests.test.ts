import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { digestOf, type Digest } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { mostManifestBytes } from './push-manifests.ts'
import { codeOf, portOf, useWorld, lastingHeaders, writer, type Answer } from './world.test.ts'

interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

const absent: Descriptor = { mediaType: mediaTypes.ociManifest, digest: digestOf('absent'), size: 6 }

describe('registry: pushing manifests', () => {
  const world = useWorld()
  let missingContent: 'accepted' | 'refused' = 'accepted'
  let port: number
  before(async () => {
    port = portOf(await world.start({ missingContent: () => missingContent }))
  })
  beforeEach(() => {
    world.mode = 'ReadWrite'
    missingContent = 'accepted'
  })

  const push = (path: string, body: Buffer | string, type?: string, method = 'PUT'): Promise<Answer> => {
    const headers = { authorization: writer, ...(type === undefined ? {} : { 'content-type': type }) }
    return world.send(method, `/v2/samples/new/${path}`, headers, body, port)
  }

  async function blob(mediaType: string, bytes: Buffer = randomBytes(20)): Promise<Descriptor> {
    const digest = digestOf(bytes)
    assert.equal((await push(`blobs/uploads/?digest=${digest}`, bytes, undefined, 'POST')).status, 201)
    return { mediaType, digest, size: bytes.length }
  }

  async function image(more: object = {}, mediaType: string = mediaTypes.ociManifest): Promise<Buffer> {
    const config = await blob('application/vnd.oci.image.config.v1+json', Buffer.from('{}'))
    const layers = [await blob('application/vnd.oci.image.layer.v1.tar')]
    return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers, ...more }))
  }

  function isCreated(answer: Answer, bytes: Buffer, algorithm: 'sha256' | 'sha512' = 'sha256'): void {
    assert.equal(answer.status, 201, answer.body.toString())
    assert.equal(answer.headers['docker-content-digest'], digestOf(bytes, algorithm))
    assert.equal(answer.headers['location'], `/v2/samples/new/manifests/${digestOf(bytes, algorithm)}`)
    assert.equal(answer.headers['content-length'], '0')
  }

  async function isServed(reference: string, bytes: Buffer, mediaType: string = mediaTypes.ociManifest): Promise<void> {
    const answer = await world.get(`/v2/samples/new/manifests/${reference}`)
    assert.equal(answer.status, 200)
    assert.ok(answer.body.equals(bytes), 'byte for byte')
    assert.equal(answer.headers['content-type'], mediaType)
    const head = await world.send('HEAD', `/v2/samples/new/manifests/${reference}`)
    assert.deepEqual(lastingHeaders(head.headers), lastingHeaders(answer.headers))
  }

  it('takes them by tag and by digest, as they are, and keeps them across a restart', async () => {
    // Unknown fields, white space and the order of keys belong to the digest.
    const text = (await image({ 'org.example.custom': { a: [1] } })).toString()
    const bytes = Buffer.from(`  ${text.replace('{', '{ \n')}\n`)
    isCreated(await push('manifests/1.0', bytes, `${mediaTypes.ociManifest}; charset=utf-8`), bytes)
    isCreated(await push(`manifests/${digestOf(bytes)}`, bytes, mediaTypes.ociManifest), bytes)
    for (const reference of ['1.0', digestOf(bytes)]) await isServed(reference, bytes)
    const list = await world.get('/v2/samples/new/tags/list')
    assert.deepEqual(JSON.parse(list.body.toString()).tags, ['1.0'])
  })

  it('moves a tag, and serves what it named before by digest still', async () => {
    const [first, second] = [await image(), await image()]
    isCreated(await push('manifests/moving', first, mediaTypes.ociManifest), first)
    isCreated(await push('manifests/moving', second, mediaTypes.ociManifest), second)
    await isServed('moving', second)
    await isServed(digestOf(first), first)
  })

  it("takes Docker's types, and types it has not heard of", async () => {
    for (const type of [
      mediaTypes.dockerManifest,
      'application/vnd.example.manifest.v1+json',
      mediaTypes.ociManifest
    ]) {
      const bytes = await image({}, type)
      isCreated(await push('manifests/typed', bytes, type), bytes)
      await isServed('typed', bytes, type)
    }
    const child = await image({}, mediaTypes.dockerManifest)
    await push(`manifests/${digestOf(child)}`, child, mediaTypes.dockerManifest)
    const list = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.dockerManifestList,
        manifests: [{ mediaType: mediaTypes.dockerManifest, digest: digestOf(child), size: child.length }]
      })
    )
    isCreated(await push('manifests/list', list, mediaTypes.dockerManifestList), list)
    await isServed('list', list, mediaTypes.dockerManifestList)
  })

  it('takes the type from the document where the request has none', async () => {
    const bytes = await image()
    isCreated(await push('manifests/untyped', bytes), bytes)
    await isServed('untyped', bytes)
    const old = Buffer.from((await image()).toString().replace(/"mediaType":"[^"]*manifest[^"]*",/, ''))
    isCreated(await push('manifests/untyped', old), old)
    await isServed('untyped', old)
  })

  it('takes sha512 by digest', async () => {
    const bytes = await image()
    const digest = digestOf(bytes, 'sha512')
    isCreated(await push(`manifests/${digest}`, bytes, mediaTypes.ociManifest), bytes, 'sha512')
    await isServed(digest, bytes)
    assert.equal((await world.get(`/v2/samples/new/manifests/${digestOf(bytes)}`)).status, 404)
  })

  it('sets tags beside a push by digest, all of them or none', async () => {
    const bytes = await image()
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const digest = digestOf(bytes, algorithm)
      const tags = Array.from({ length: 12 }, (_, number) => `${algorithm}-${number}`)
      const query = [...tags, tags[0]!].map((tag) => `tag=${tag}`).join('&')
      const answer = await push(`manifests/${digest}?${query}`, bytes, mediaTypes.ociManifest)
      isCreated(answer, bytes, algorithm)
      assert.equal(answer.headers['oci-tag'], tags.join(', '))
      for (const tag of tags)
        assert.equal((await world.get(`/v2/samples/new/manifests/${tag}`)).headers['docker-content-digest'], digest)
    }
    const digest = digestOf(bytes)
    const wrong = await push(`manifests/${digest}?tag=fine&tag=not%20fine`, bytes, mediaTypes.ociManifest)
    assert.equal(codeOf(wrong), 'TAG_INVALID')
    assert.equal((await world.get('/v2/samples/new/manifests/fine')).status, 404)
    const many = Array.from({ length: 101 }, (_, number) => `tag=many${number}`).join('&')
    const tooMany = await push(`manifests/${digest}?${many}`, bytes, mediaTypes.ociManifest)
    assert.equal(tooMany.status, 414)
    assert.equal(codeOf(tooMany), 'TAG_INVALID')
    const unasked = await push('manifests/plain?tag=other', bytes, mediaTypes.ociManifest)
    assert.equal(unasked.headers['oci-tag'], undefined, 'the parameter belongs to pushes by digest')
  })

  it('says that it took note of a subject, here or not', async () => {
    const bytes = await image({ subject: absent })
    const answer = await push('manifests/referrer', bytes, mediaTypes.ociManifest)
    isCreated(answer, bytes)
    assert.equal(answer.headers['oci-subject'], absent.digest)
    const plain = await push('manifests/plain', await image(), mediaTypes.ociManifest)
    assert.equal(plain.headers['oci-subject'], undefined)
  })

  it('takes what names absent content with a warning, or refuses it by setting', async () => {
    const layer = { ...absent, mediaType: 'application/vnd.oci.image.layer.v1.tar' }
    const sparseImage = await image({ layers: [layer] })
    const sparseIndex = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [absent] })
    )
    for (const [bytes, type] of [
      [sparseImage, mediaTypes.ociManifest],
      [sparseIndex, mediaTypes.ociIndex]
    ] as const) {
      const answer = await push('manifests/sparse', bytes, type)
      isCreated(answer, bytes)
      assert.match(String(answer.headers['warning']), /^299 - "samples\/new lacks 1 of the blobs or manifests/)
      missingContent = 'refused'
      const refused = await push('manifests/refused', bytes, type)
      assert.equal(refused.status, 400)
      assert.equal(codeOf(refused), 'MANIFEST_BLOB_UNKNOWN')
      assert.deepEqual(JSON.parse(refused.body.toString()).errors[0].detail, [{ digest: absent.digest }])
      missingContent = 'accepted'
    }
    assert.equal((await world.get('/v2/samples/new/manifests/refused')).status, 404)
    assert.equal(codeOf(await world.get(`/v2/samples/new/manifests/${absent.digest}`)), 'MANIFEST_UNKNOWN')
  })

  it('gives nobody a blob by naming it in a manifest', async () => {
    const elsewhere = randomBytes(30)
    const digest = digestOf(elsewhere)
    await world.push('POST', `/v2/samples/other/blobs/uploads/?digest=${digest}`, elsewhere)
    const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: elsewhere.length }
    const answer = await push('manifests/thief', await image({ layers: [layer] }), mediaTypes.ociManifest)
    assert.match(String(answer.headers['warning']), /lacks 1/)
    assert.equal((await world.get(`/v2/samples/new/blobs/${digest}`)).status, 404)
  })

  it('does not expect layers that are distributed elsewhere', async () => {
    missingContent = 'refused'
    const layer = {
      ...absent,
      mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
      urls: ['https://example.com/layer']
    }
    const bytes = await image({ layers: [layer] })
    const answer = await push('manifests/foreign', bytes, mediaTypes.ociManifest)
    isCreated(answer, bytes)
    assert.equal(answer.headers['warning'], undefined)
  })

  it('refuses a type that a browser could show, said by the request or by the document', async () => {
    const untyped = (await image()).toString().replace(/"mediaType":"[^"]*manifest[^"]*",/, '')
    for (const type of ['text/html', 'image/svg+xml', 'multipart/x-mixed-replace'])
      for (const [body, contentType] of [
        [untyped, type],
        [await image({}, type), undefined],
        [await image({}, type), type]
      ] as const) {
        const answer = await push('manifests/shown', body, contentType)
        assert.equal(answer.status, 400, `${type} ${answer.body.toString()}`)
        assert.equal(codeOf(answer), 'MANIFEST_INVALID')
        assert.match(
          answer.body.toString(),
          new RegExp(`begin with application/, and this is ${type.replace('+', '.')}`, 'i')
        )
      }
    assert.equal((await world.get('/v2/samples/new/manifests/shown')).status, 404)
  })

  it('refuses what is no manifest, with the reason', async () => {
    const good = await image()
    const schemaOne = 'application/vnd.docker.distribution.manifest.v1+prettyjws'
    const both = await image({ manifests: [] })
    for (const [body, type] of [
      ['', mediaTypes.ociManifest],
      ['not JSON', mediaTypes.ociManifest],
      [Buffer.from([0x7b, 0xff, 0x7d]), mediaTypes.ociManifest],
      ['[]', mediaTypes.ociManifest],
      ['{}', mediaTypes.ociManifest],
      ['{"schemaVersion":1,"name":"x"}', schemaOne],
      [good.toString(), schemaOne],
      [good.toString(), mediaTypes.ociIndex],
      [both, mediaTypes.ociManifest],
      [`{"schemaVersion":2,"mediaType":"${mediaTypes.ociIndex}","manifests":{}}`, mediaTypes.ociIndex],
      [`{"schemaVersion":2,"layers":[{"digest":"sha256:x"}]}`, mediaTypes.ociManifest]
    ] as const) {
      const answer = await push('manifests/bad', body, type)
      assert.equal(answer.status, 400, body.toString())
      assert.equal(codeOf(answer), 'MANIFEST_INVALID')
    }
    assert.equal(codeOf(await push('manifests/bad', good, mediaTypes.dockerManifest)), 'MANIFEST_INVALID')
    assert.equal(codeOf(await push(`manifests/${absent.digest}`, good, mediaTypes.ociManifest)), 'DIGEST_INVALID')
    assert.equal(codeOf(await push('manifests/sha256:bad', good, mediaTypes.ociManifest)), 'DIGEST_INVALID')
    assert.equal(codeOf(await push(`manifests/${'x'.repeat(129)}`, good, mediaTypes.ociManifest)), 'TAG_INVALID')
    assert.equal((await world.get('/v2/samples/new/manifests/bad')).status, 404)
  })

  describe('that are large', () => {
    /** A manifest of exactly so many bytes. */
    async function ofSize(size: number): Promise<Buffer> {
      const bytes = await image({ annotations: { padding: '' } })
      return Buffer.from(bytes.toString().replace('"padding":""', `"padding":"${'A'.repeat(size - bytes.length)}"`))
    }

    it('are taken up to more than 4 MiB, and served as they are', async () => {
      for (const size of [4 * 1024 * 1024, mostManifestBytes]) {
        const bytes = await ofSize(size)
        isCreated(await push('manifests/large', bytes, mediaTypes.ociManifest), bytes)
        await isServed('large', bytes)
      }
    })

    it('are taken with as many layers as fit into 4 MiB', async () => {
      const layers = Array.from({ length: 36_000 }, (_, number) => ({
        mediaType: 'a/b',
        digest: `sha256:${number.toString(16).padStart(64, '0')}`,
        size: number
      }))
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, layers }))
      assert.ok(bytes.length < 4 * 1024 * 1024)
      const answer = await push('manifests/layered', bytes, mediaTypes.ociManifest)
      isCreated(answer, bytes)
      assert.match(String(answer.headers['warning']), /lacks 36000 of/)
    })

    it('are refused before they are read, where that would take a hundred times their bytes', async () => {
      for (const part of ['{}', '[]', '0', '"":[']) {
        const bytes = `{"schemaVersion":2,"x":[${`${part},`.repeat(1_000_000)}0]}`
        const answer = await push('manifests/parts', bytes, mediaTypes.ociManifest)
        assert.equal(codeOf(answer), 'MANIFEST_INVALID')
        assert.match(answer.body.toString(), /more than 400000 parts/)
      }
      // What stands in a string is one part, whatever it is.
      const annotations = { sbom: JSON.stringify({ a: '\\"{[,' }).repeat(100_000) }
      const bytes = await image({ annotations })
      isCreated(await push('manifests/parts', bytes, mediaTypes.ociManifest), bytes)
    })

    it('are 429 while too many are on their way, and taken when those are gone', async () => {
      const head = `PUT /v2/samples/new/manifests/stalled HTTP/1.1\r\nHost: a\r\nAuthorization: ${writer}\r\n`
      const sockets = Array.from({ length: 5 }, () => {
        const socket = connect(port, '127.0.0.1').on('error', () => undefined)
        socket.write(`${head}Content-Length: ${mostManifestBytes}\r\n\r\n`)
        socket.write(Buffer.alloc(mostManifestBytes - 1))
        return socket
      })
      const bytes = await ofSize(mostManifestBytes)
      const until = async (status: number): Promise<Answer> => {
        for (;;) {
          const answer = await push('manifests/large', bytes, mediaTypes.ociManifest)
          if (answer.status === status) return answer
        }
      }
      const answer = await until(429)
      assert.equal(codeOf(answer), 'TOOMANYREQUESTS')
      assert.equal(answer.headers['retry-after'], '5')
      for (const socket of sockets) socket.destroy()
      isCreated(await until(201), bytes)
    })

    it('are 413 beyond that, with and without a length, and the connection goes on', async () => {
      const bytes = await ofSize(mostManifestBytes + 1)
      for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
        const answer = await world.push('PUT', '/v2/samples/new/manifests/larger', bytes, headers)
        assert.equal(answer.status, 413)
        assert.equal(codeOf(answer), 'MANIFEST_INVALID')
        assert.equal((await world.get('/v2/')).status, 200)
      }
    })

    it('are refused before their body, where the client waits for a word', async () => {
      const sent = httpRequest({
        host: '127.0.0.1',
        port,
        method: 'PUT',
        path: '/v2/samples/new/manifests/larger',
        headers: { authorization: writer, expect: '100-continue', 'content-length': mostManifestBytes + 1 }
      })
      sent.on('continue', () => assert.fail('the body was asked for'))
      sent.flushHeaders()
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      assert.equal(response.statusCode, 413)
      await buffer(response)
      sent.destroy()
    })
  })

  describe('deletes', () => {
    const remove = (path: string): Promise<Answer> => world.push('DELETE', `/v2/samples/new/${path}`)

    it('a tag at once, and leaves its manifest', async () => {
      const bytes = await image()
      await push('manifests/gone', bytes, mediaTypes.ociManifest)
      assert.equal((await remove('manifests/gone')).status, 202)
      assert.equal(codeOf(await world.get('/v2/samples/new/manifests/gone')), 'MANIFEST_UNKNOWN')
      assert.equal(codeOf(await remove('manifests/gone')), 'MANIFEST_UNKNOWN')
      await isServed(digestOf(bytes), bytes)
      await world.restart()
      assert.equal((await world.get('/v2/samples/new/manifests/gone')).status, 404)
      port = portOf(world.server)
    })

    it('a manifest at once, with its tags, and takes it again', async () => {
      const bytes = await image()
      await push('manifests/a', bytes, mediaTypes.ociManifest)
      await push('manifests/b', bytes, mediaTypes.ociManifest)
      assert.equal((await remove(`manifests/${digestOf(bytes)}`)).status, 202)
      for (const reference of ['a', 'b', digestOf(bytes)])
        assert.equal((await world.send('HEAD', `/v2/samples/new/manifests/${reference}`)).status, 404)
      assert.equal(codeOf(await remove(`manifests/${digestOf(bytes)}`)), 'MANIFEST_UNKNOWN')
      isCreated(await push('manifests/a', bytes, mediaTypes.ociManifest), bytes)
      await isServed('a', bytes)
    })

    it('a blob at once, and only here', async () => {
      const { digest } = await blob('x')
      assert.equal((await world.push('POST', `/v2/samples/third/blobs/uploads/?mount=${digest}`)).status, 201)
      assert.equal((await remove(`blobs/${digest}`)).status, 202)
      assert.equal((await world.send('HEAD', `/v2/samples/new/blobs/${digest}`)).status, 404)
      assert.equal(codeOf(await remove(`blobs/${digest}`)), 'BLOB_UNKNOWN')
      assert.equal((await world.get(`/v2/samples/third/blobs/${digest}`)).status, 200)
    })
  })
})
