import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'
import { skip } from '../../test/real-tools.ts'
import { digestOf } from '../oci/digest.ts'
import { parseTag } from '../oci/name.ts'
import { putBlob } from '../storage/contract.ts'
import { app, basic, bigLayer, layer, manifest, portOf, useWorld } from './world.test.ts'

const executablePath = '/usr/bin/chromium'

describe('registry: content, to a browser', () => {
  const world = useWorld()

  it('says with every answer, 304, part, error and sendfile too, that it is no page to a browser', async () => {
    const [small, big] = [layer, bigLayer].map((bytes) => `/v2/samples/app/blobs/${digestOf(bytes)}`) as [
      string,
      string
    ]
    const asked: readonly (readonly [
      status: number,
      path: string,
      headers?: Record<string, string>,
      method?: string
    ])[] = [
      [200, '/v2/'],
      [401, '/v2/', { authorization: '' }],
      [200, '/v2/_catalog'],
      [200, '/v2/samples/app/tags/list'],
      [200, `/v2/samples/app/referrers/${digestOf(manifest)}`],
      [200, '/v2/samples/app/manifests/1.0'],
      [200, '/v2/samples/app/manifests/1.0', {}, 'HEAD'],
      [304, '/v2/samples/app/manifests/1.0', { 'if-none-match': `"${digestOf(manifest)}"` }],
      [404, '/v2/samples/app/manifests/none'],
      [200, small],
      [200, big],
      [206, big, { range: 'bytes=0-9' }],
      [416, small, { range: 'bytes=9999-' }],
      [417, small, { expect: 'a miracle' }],
      [405, '/v2/samples/app/manifests/1.0', {}, 'DELETE'],
      [404, '/v2/samples/app/no/such/thing'],
      [200, '/acr/oauth2/token?service=x'],
      [404, '/elsewhere']
    ]
    for (const [status, path, more, method = 'GET'] of asked) {
      const answer = await world.send(method, path, { authorization: basic, ...more })
      assert.equal(answer.status, status, `${method} ${path}`)
      assert.equal(answer.headers['x-content-type-options'], 'nosniff', `${status} ${method} ${path}`)
      assert.equal(answer.headers['content-security-policy'], "default-src 'none'; sandbox", `${status} ${path}`)
    }
  })

  describe('as Chromium has it', function () {
    this.timeout(60_000)
    let browser: Browser

    before(async function () {
      if (!existsSync(executablePath)) skip(this, 'chromium is not installed')
      // Without a sandbox of its own, which root may not have; it opens pages of these tests alone.
      browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
    })
    after(() => (browser as Browser | undefined)?.close())

    it('runs no script of a manifest that is a page, whoever stored it or synced it from a parent that takes such', async () => {
      // JSON would escape other quotation marks, and what is left would be no script.
      const script = "<script>document.title = 'it ran'</script>"
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, layers: [], annotations: { script } }))
      const digest = digestOf(bytes)
      await putBlob(world.storage, bytes)
      await world.storage.index.apply([
        { kind: 'putManifest', repository: app, digest, mediaType: 'text/html', size: bytes.length },
        { kind: 'setTag', repository: app, tag: parseTag('page'), digest }
      ])
      const page = await browser.newPage({ extraHTTPHeaders: { authorization: basic } })
      const answer = await page.goto(`http://127.0.0.1:${portOf(world.server)}/v2/samples/app/manifests/page`)
      assert.equal(answer?.headers()['content-type'], 'text/html')
      // It was parsed as a page, to its end.
      assert.equal(await page.locator('script').count(), 1)
      assert.equal(await page.title(), '')
    })
  })
})
