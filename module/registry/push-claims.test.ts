import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { digestOf } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { parseRepository } from '../oci/name.ts'
import { codeOf, portOf, useWorld, writer } from './world.test.ts'

const repository = parseRepository('samples/new')
const uploads = '/v2/samples/new/blobs/uploads/'

describe('registry: what a push says and what is so', () => {
  const world = useWorld()
  beforeEach(() => (world.mode = 'ReadWrite'))

  it('refuses a chunk that ends elsewhere than its Content-Range, where no length gives it away first', async () => {
    for (const [method, query] of [
      ['PATCH', ''],
      ['PUT', `?digest=${digestOf('x'.repeat(50))}`]
    ] as const) {
      const { headers } = await world.push('POST', uploads)
      const chunked = { 'transfer-encoding': 'chunked', 'content-range': '0-99' }
      const answer = await world.push(method, `${headers['location']!}${query}`, 'x'.repeat(50), chunked)
      assert.equal(answer.status, 400)
      assert.equal(codeOf(answer), 'SIZE_INVALID')
      assert.match(answer.body.toString(), /ends at byte 99, and the body at 49/)
    }
    assert.equal((await world.get(`/v2/samples/new/blobs/${digestOf('x'.repeat(50))}`)).status, 404)
  })

  it('names the blobs of a manifest once more with it: garbage collection may just have taken their links', async () => {
    const bytes = randomBytes(100)
    const digest = digestOf(bytes)
    assert.equal((await world.push('POST', `${uploads}?digest=${digest}`, bytes)).status, 201)
    const { blobs, index } = world.storage
    const port = portOf(
      await world.start({
        content: {
          ...world.storage,
          blobs: new Proxy(blobs, {
            get(target, name) {
              // Between the look whether everything is here and the commit, where collecting takes its turn.
              if (name === 'ingest')
                return async (...of: Parameters<typeof blobs.ingest>) => {
                  await index.apply([{ kind: 'unlinkBlob', repository, digest }])
                  return blobs.ingest(...of)
                }
              const member: unknown = Reflect.get(target, name, target)
              return typeof member === 'function' ? (member.bind(target) as unknown) : member
            }
          })
        }
      })
    )
    const described = { mediaType: 'application/x', digest, size: bytes.length }
    const document = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: described, layers: [] }
    const headers = { authorization: writer, 'content-type': mediaTypes.ociManifest }
    const pushed = JSON.stringify(document)
    const answer = await world.send('PUT', '/v2/samples/new/manifests/1', headers, pushed, port)
    assert.equal(answer.status, 201)
    assert.equal(answer.headers['warning'], undefined)
    assert.ok(await index.hasBlob(repository, digest))
    assert.ok((await world.get(`/v2/samples/new/blobs/${digest}`)).body.equals(bytes))
  })
})
