import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import axe from 'axe-core'
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core'
import { LineLog } from '../module/log/log.ts'
import { createPage } from '../module/page/page.ts'
import type { PageFacts } from '../module/page/facts.ts'
import { hashPassword } from '../module/settings/password-hash.ts'
import type { SettingsInput } from '../module/settings/document.ts'
import { CertificateAuthority } from '../simulator/certificates.ts'
import { CloudFixture } from '../simulator/cloud-fixture.ts'
import { BadLink } from './bad-link.ts'
import { LoneModule } from './lone-module.ts'
import { ApiProxy } from './nginx.ts'
import { isInstalled, skip } from './real-tools.ts'
import { SilentLink } from './silent-link.ts'

const executablePath = '/usr/bin/chromium'
/** Where pictures of the page are put, to be looked at; `docs/page.png` is one of them. */
const pictures = process.env['CAUSEWAY_SCREENSHOTS']

const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true } as const
const desk = { viewport: { width: 1100, height: 900 } } as const

describe('the page in a browser', function () {
  this.timeout(60_000)
  let browser: Browser
  const contexts: BrowserContext[] = []

  before(async function () {
    if (!existsSync(executablePath)) skip(this, 'chromium is not installed')
    // Without a sandbox of its own, which root may not have; it opens pages of these tests alone.
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  })
  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close()
  })
  after(() => (browser as Browser | undefined)?.close())

  async function open(url: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options })
    contexts.push(context)
    const page = await context.newPage()
    await page.goto(url)
    return page
  }

  describe('at a device behind the API proxy', () => {
    const httpCredentials = { username: 'plant-client', password: 'sesame' }
    let folder: string
    let world: CloudFixture
    let module: LoneModule
    let proxy: ApiProxy
    /** Between nginx and the module. */
    let link: BadLink
    let settings: SettingsInput
    const cleanUps: (() => Promise<unknown>)[] = []

    before(async function () {
      if (!isInstalled('nginx')) skip(this, 'nginx is not installed')
      folder = await mkdtemp(join(tmpdir(), 'causeway-page-'))
      cleanUps.push(() => rm(folder, { recursive: true }))
      world = await CloudFixture.start()
      cleanUps.push(() => world.close())
      const cloud = world.cloud.registry('contoso')
      await cloud.pushImage('plant/app', '1.0')
      const { username, password } = cloud.addToken('sync-token', [
        'repositories/*/content/read',
        'repositories/*/metadata/read'
      ])
      settings = {
        schemaVersion: '1.0',
        parent: { endpoint: 'contoso.azurecr.io', tokenName: username, password },
        imageSets: { plant: { repositories: [{ repository: 'plant/app', tags: ['*'] }] } },
        scopeMaps: {
          readers: { actions: ['repositories/plant/app/content/read', 'repositories/plant/app/metadata/read'] }
        },
        tokens: {
          'plant-client': { scopeMap: 'readers', passwords: { password1: { hash: await hashPassword('sesame') } } }
        }
      }
      module = new LoneModule(folder)
      await module.write(settings)
      await module.start({ https_proxy: world.network.proxyUrl, NODE_EXTRA_CA_CERTS: world.caFile })
      cleanUps.push(() => module.stop())
      await module.logs(/ sync ended .*state=Succeeded/)
      const authority = await CertificateAuthority.create()
      proxy = new ApiProxy(join(folder, 'nginx'), await authority.issue(['127.0.0.1']))
      link = await BadLink.start({ host: '127.0.0.1', port: Number(new URL(module.origin).port) })
      cleanUps.push(() => link.close())
      await proxy.start(link.endpoint)
      cleanUps.push(() => proxy.stop())
    })
    after(async () => {
      for (const cleanUp of cleanUps.reverse()) await cleanUp()
    })

    it('is live: what is new in the parent shows without loading the page anew, and what is open stays open', async () => {
      const page = await open(`https://${proxy.host}/acr`, { httpCredentials })
      assert.equal(page.url(), `https://${proxy.host}/acr/`)
      assert.match(await page.locator('#state').innerText(), /In sync\s+The one wanted image is here and verified\./)
      // With the keyboard alone.
      await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      assert.match(await page.locator('#image-sets').innerText(), /plant\/app:1\.0 ready/)
      await page.evaluate('window.mark = true')
      await world.cloud.registry('contoso').pushImage('plant/app', '2.0')
      await module.write({ ...settings, sync: { intervalMinutes: 16 } })
      await page.getByText('plant/app:2.0 is ready').waitFor()
      await page.getByText('All 2 wanted images are here and verified.').waitFor()
      assert.equal(await page.evaluate('window.mark'), true)
      assert.equal(await page.locator('details').getAttribute('open'), '')
      assert.equal(await page.evaluate('document.activeElement.tagName'), 'SUMMARY')
    })

    it('says that the device is not reached, and goes on by itself when it is again', async () => {
      const page = await open(`https://${proxy.host}/acr/`, { httpCredentials })
      const stale = page.locator('#stale')
      assert.equal(await stale.isVisible(), false)
      link.down = true
      link.cut()
      await stale.waitFor({ state: 'visible' })
      link.down = false
      // As a browser does after some seconds, or a reader sooner.
      await page.reload()
      await stale.waitFor({ state: 'hidden' })
    })

    it('says that nothing is heard any more where the link goes silent and closes nothing', async () => {
      const link = await SilentLink.start(Number(new URL(`https://${proxy.host}`).port))
      try {
        const context = await browser.newContext({ ignoreHTTPSErrors: true, httpCredentials })
        contexts.push(context)
        const page = await context.newPage()
        await page.clock.install()
        const followed = page.waitForResponse(/\/acr\/events$/)
        await page.goto(`https://127.0.0.1:${link.port}/acr/`)
        await followed
        link.isSilent = true
        const stale = page.locator('#stale')
        assert.equal(await stale.isVisible(), false)
        await page.clock.fastForward(46_000)
        await stale.waitFor({ state: 'visible' })
        link.isSilent = false
        await stale.waitFor({ state: 'hidden' })
      } finally {
        await link.close()
      }
    })

    it('is readable without scripts', async () => {
      const page = await open(`https://${proxy.host}/acr/`, { httpCredentials, javaScriptEnabled: false })
      assert.match(await page.locator('#state').innerText(), /here and verified/)
      assert.equal(await page.locator('noscript').count(), 1)
    })

    it('is shown to nobody who has no client token', async () => {
      const page = await open(`https://${proxy.host}/acr/`, {
        httpCredentials: { ...httpCredentials, password: 'wrong' }
      }).catch((error: unknown) => String(error))
      assert.doesNotMatch(typeof page === 'string' ? page : await page.innerText('body'), /plant\/app/)
    })
  })

  describe('in every state', () => {
    let server: Server
    let origin: string

    before(async () => {
      const page = createPage({
        facts: () => eventful,
        isOpen: () => true,
        doorkeeper: { authorize: () => Promise.resolve({ kind: 'denied', message: '' }) },
        log: new LineLog(() => undefined)
      })
      server = createServer((request, response) => void page.handle(request, response, 'a-request-id')).listen(
        0,
        '127.0.0.1'
      )
      await once(server, 'listening')
      origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}/acr/`
    })
    after(() => {
      server.closeAllConnections()
      server.close()
    })

    for (const [name, options] of Object.entries({
      'phone-light': { ...phone, colorScheme: 'light' },
      'phone-dark': { ...phone, colorScheme: 'dark' },
      'desk-light': { ...desk, colorScheme: 'light' },
      'desk-dark': { ...desk, colorScheme: 'dark' }
    } as const))
      it(`can be read by everybody (${name})`, async () => {
        const page = await open(origin, options)
        await page.locator('summary').first().click()
        await page.evaluate(axe.source)
        const { violations } = await page.evaluate<axe.AxeResults>('axe.run()')
        assert.deepEqual(
          violations.map(({ id, help, nodes }) => [id, help, nodes.map(({ html }) => html)]),
          []
        )
        const width = await page.evaluate('document.documentElement.scrollWidth')
        assert.ok(Number(width) <= options.viewport.width, `nothing to scroll sideways: ${String(width)}`)
        if (pictures === undefined) return
        await mkdir(pictures, { recursive: true })
        await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true })
      })
  })
})

const image = 'plant/' + 'line-controller'
/** A morning on which much happens at once. */
const eventful: PageFacts = {
  name: 'ship-7',
  now: new Date('2026-11-21T10:00:00Z'),
  report: {
    schemaVersion: '1.0',
    runtime: { version: '1.0.0', startedAt: '2026-11-20T09:00:00Z' },
    connectionState: 'Syncing',
    statusDetails: [
      {
        type: 'Registry',
        code: 'ParentThrottled',
        description: 'the parent asks to wait (429); it is asked again after 30 s',
        timestamp: '2026-11-21T09:58:00Z'
      }
    ],
    sync: {
      trigger: 'Schedule',
      state: 'Syncing',
      startedAt: '2026-11-21T09:30:00Z',
      succeededAt: '2026-11-20T04:12:00Z',
      windowEndsAt: '2026-11-21T11:00:00Z'
    },
    progress: {
      imagesReady: 11,
      imagesTotal: 15,
      bytesDone: 2_310_000_000,
      bytesTotal: 3_050_000_000,
      bytesPerSecond: 410_000,
      secondsLeft: 1805
    },
    disk: { freeBytes: 11_200_000_000, totalBytes: 64_000_000_000, reserveBytes: 1_073_741_824 },
    imageSets: {
      'iot-edge-runtime': { ready: 4, total: 4 },
      plant: { ready: 6, total: 10, failed: 1 },
      'vision-models': { ready: 1, total: 1 }
    }
  },
  images: [
    ...['agent:1.5.44', 'hub:1.5.44', 'api-proxy:1.1.27', 'diagnostics:1.5.44'].map((name) => ({
      image: `azureiotedge-${name}`,
      state: 'ready' as const,
      imageSets: ['iot-edge-runtime']
    })),
    ...['1.0.0', '1.1.0', '1.2.0', '1.3.0', '1.4.0', '1.5.0'].map((tag) => ({
      image: `${image}:${tag}`,
      state: 'ready' as const,
      imageSets: ['plant']
    })),
    { image: `${image}:2.0.0`, state: 'syncing', imageSets: ['plant'], bytesDone: 310e6, bytesTotal: 720e6 },
    { image: 'plant/historian:7.1', state: 'syncing', imageSets: ['plant'], bytesDone: 4e6, bytesTotal: 96e6 },
    { image: 'plant/historian:7.0', state: 'pending', imageSets: ['plant'], bytesTotal: 94e6 },
    {
      image: 'plant/gateway:3.2',
      state: 'failed',
      imageSets: ['plant'],
      reason: 'the parent has no such tag (MANIFEST_UNKNOWN); push it there, or take it out of the image set'
    }
  ],
  events: [
    { at: '2026-11-21T09:58:00Z', text: 'The parent: asks to wait (429)', isBad: true },
    { at: '2026-11-21T09:44:00Z', text: `${image}:1.5.0 is ready`, image: `${image}:1.5.0` },
    { at: '2026-11-21T09:31:00Z', text: 'plant/gateway:3.2: the parent has no such tag', isBad: true },
    { at: '2026-11-21T09:30:00Z', text: 'The parent answers again' }
  ]
}
