import assert from 'node:assert/strict'
import { once } from 'node:events'
import http, { type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { LineLog } from '../log/log.ts'
import { digestOf } from '../oci/digest.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { parseRepository } from '../oci/name.ts'
import { createParent, type Parent } from './parent.ts'

const repository = parseRepository('samples/web')
const subject = digestOf('subject')
const referrer = (name: string) => ({ mediaType: mediaTypes.ociManifest, digest: digestOf(name), size: name.length })

describe('parent: referrers, and reading no further than asked', () => {
  let server: http.Server
  let parent: Parent

  async function start(listener: RequestListener): Promise<void> {
    server = http.createServer(listener)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    parent = createParent({
      origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      userAgent: 'causeway-test',
      log: new LineLog(() => undefined)
    })
  }
  afterEach(async () => {
    await parent.close()
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })

  it('lists what refers to a manifest, page by page', async () => {
    const pages = [[referrer('one'), referrer('two')], [referrer('three')]]
    const paths: string[] = []
    await start((request, response) => {
      paths.push(request.url ?? '')
      const page = request.url?.endsWith('?page=2') === true ? 1 : 0
      const link = page === 0 ? { link: `</v2/samples/web/referrers/${subject}?page=2>; rel="next"` } : {}
      response
        .writeHead(200, { 'content-type': mediaTypes.ociIndex, ...link })
        .end(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: pages[page] }))
    })
    assert.deepEqual(await parent.referrers(repository, subject), pages.flat())
    const path = `/v2/samples/web/referrers/${subject}`
    assert.deepEqual(paths, [path, `${path}?page=2`])
  })

  for (const status of [400, 404, 405])
    it(`knows a registry without the API by its ${status}`, async () => {
      await start((_request, response) => response.writeHead(status).end())
      assert.equal(await parent.referrers(repository, subject), undefined)
    })

  it('refuses an answer that is no index, and tells of other trouble', async () => {
    let status = 200
    await start((_request, response) => response.writeHead(status).end('<html>'))
    await assert.rejects(parent.referrers(repository, subject), { code: 'PARENT_PROTOCOL' })
    status = 503
    await assert.rejects(parent.referrers(repository, subject), { code: 'PARENT_FAILED' })
  })

  it('takes little more from the link than a slow reader has read', async () => {
    const blob = Buffer.alloc(64 * 1024 * 1024)
    let sent = 0
    await start((_request, response) => {
      response.writeHead(200, { 'content-length': blob.length })
      const write = (at: number): void => {
        if (at >= blob.length) return
        response.write(blob.subarray(at, at + 65_536), () => {
          sent = at + 65_536
          write(sent)
        })
      }
      write(0)
    })
    const { stream } = await parent.blob(repository, subject, { readAhead: 65_536 })
    const iterator = stream[Symbol.asyncIterator]()
    await iterator.next()
    let before = -1
    while (before !== sent) {
      before = sent
      await delay(50)
    }
    // What is left is in the buffers of the two sockets.
    assert.ok(sent < 16 * 1024 * 1024, String(sent))
    await iterator.return?.()
  })
})
