import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'
import { skip } from '../../test/real-tools.ts'
import { digestOf } from '../oci/digest.ts'
import { parseTag } from '../oci/name.ts'
import { putBlob } from '../storage/contract.ts'
import { app, basic, portOf, useWorld } from './world.test.ts'

const executablePath = '/usr/bin/chromium'

describe('registry: content in a browser', function () {
  this.timeout(60_000)
  const world = useWorld()
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
