import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { digestOf } from '../../module/oci/digest.ts'
import { CertificateAuthority } from '../../simulator/certificates.ts'
import { startCloud } from '../../simulator/cloud.ts'
import { Network } from '../../simulator/network.ts'
import { createContentClient, type RegistryContent } from './content.ts'

/** A captive portal, a link that swallows packets: whoever connects is taken, and told nothing. */
describe('the client of the cloud registry’s content, whom nobody answers', () => {
  const sockets = new Set<Socket>()
  const proxy = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined))
  })
  before(async () => {
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
  })
  after(() => {
    for (const socket of sockets) socket.destroy()
    proxy.close()
  })

  const connect = (signal: AbortSignal, timeout: number): RegistryContent =>
    createContentClient('plant.azurecr.io', {
      signal,
      env: { https_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` },
      timeout,
      retryDelay: 1
    })
  const look = (content: RegistryContent): Promise<unknown> =>
    content.imageState({ username: 'crimagepulltoken', password: 'of-no-use-here' }, 'samples/app', '1')

  it('gives up when its time is over, says who was silent, and lets go of the connection', async () => {
    const content = connect(new AbortController().signal, 50)
    await assert.rejects(look(content), {
      code: 'TIMED_OUT',
      message: /^HEAD \/v2\/samples\/app\/manifests\/1: plant\.azurecr\.io has not answered in 1 s\. /
    })
    await content.close()
  })

  it('stops at Ctrl-C, and lets go of the connection', async () => {
    const stopping = new AbortController()
    const content = connect(stopping.signal, 600_000)
    const connected = once(proxy, 'connection')
    const looking = assert.rejects(look(content), { code: 'CANCELLED' })
    await connected
    stopping.abort()
    await looking
    await content.close()
  })
})

describe('the client of the cloud registry’s content', () => {
  it('says who may not push settings where, and what to do', async () => {
    const trusted = tls.getCACertificates('default')
    const folder = await mkdtemp(join(tmpdir(), 'causeway-content-'))
    const network = await Network.start()
    const authority = await CertificateAuthority.create()
    const cloud = await startCloud({
      network,
      authority,
      folder,
      tenantId: '00000000-0000-0000-0000-0000000000aa',
      clientId: '00000000-0000-0000-0000-0000000000bb',
      clientSecret: 'a-secret-of-the-test',
      subscriptionId: '00000000-0000-0000-0000-000000000001',
      resourceGroup: 'demo',
      registries: [{ name: 'plantregistry', sku: 'Premium', region: 'westeurope' }]
    })
    // What NODE_EXTRA_CA_CERTS does for a process, for the time of this test.
    tls.setDefaultCACertificates([...trusted, authority.certificate])
    const { signal } = new AbortController()
    const content = createContentClient('plantregistry.azurecr.io', { signal, env: { https_proxy: network.proxyUrl } })
    try {
      const manifest = Buffer.from('{}')
      await assert.rejects(
        content.push({ username: 'settings-push', password: 'of-nobody' }, 'causeway/settings', 'gateway', {
          digest: digestOf(manifest),
          manifest,
          blobs: []
        }),
        {
          code: 'SETTINGS_NOT_PUSHED',
          message:
            /^plantregistry\.azurecr\.io does not take settings into causeway\/settings from token settings-push \(login refused\); run causeway provision/
        }
      )
    } finally {
      await content.close()
      await cloud.close()
      await network.close()
      tls.setDefaultCACertificates(trusted)
      await rm(folder, { recursive: true })
    }
  })
})
