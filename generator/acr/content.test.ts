import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
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
