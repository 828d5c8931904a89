import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { siteText, testSecretsKey } from './testing.ts'

const here = import.meta.dirname
const password = 'a-password-that-nobody-checks-here'

/** A captive portal, a link that swallows packets: whoever connects is taken, and told nothing. */
describe('a command that nobody answers', function () {
  this.timeout(60_000)
  const sockets = new Set<Socket>()
  const proxy = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined))
  })
  let folder: string
  let child: ChildProcess | undefined

  before(async () => {
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
  })
  after(() => {
    proxy.close()
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-main-'))
    await writeFile(join(folder, 'site.yaml'), siteText())
    await copyFile(join(here, '../deployment.template.json'), join(folder, 'deployment.template.json'))
  })
  afterEach(async () => {
    child?.kill('SIGKILL')
    for (const socket of sockets) socket.destroy()
    sockets.clear()
    await rm(folder, { recursive: true })
  })

  for (const [who, words, signal] of [
    ['the hub', 'status', 'SIGINT'],
    ['the sign-in', 'provision', 'SIGTERM'],
    ['the registry’s content', 'deploy --secrets environment', 'SIGINT']
  ] as const)
    it(`ends at ${signal} while ${who} is silent, and leaves nothing held`, async () => {
      const { PATH, HOME } = process.env
      child = spawn(process.execPath, [join(here, 'main.ts'), ...words.split(' ')], {
        cwd: folder,
        env: {
          PATH,
          HOME,
          https_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
          CAUSEWAY_SECRETS_KEY: testSecretsKey,
          CAUSEWAY_PASSWORD_CRIMAGEPULLTOKEN: password,
          CAUSEWAY_PASSWORD_PLANTGATEWAY_SYNC_TOKEN: password,
          CAUSEWAY_PASSWORD_PLANT_CLIENT: password,
          AZURE_TENANT_ID: '00000000-0000-0000-0000-0000000000aa',
          AZURE_CLIENT_ID: '00000000-0000-0000-0000-0000000000bb',
          AZURE_CLIENT_SECRET: 'the-secret-of-the-pipeline',
          IOTHUB_CONNECTION_STRING: `HostName=causeway-hub.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=${'A'.repeat(43)}=`
        },
        stdio: ['ignore', 'ignore', 'pipe']
      })
      let stderr = ''
      child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
      const closed = once(child, 'close')
      await Promise.race([once(proxy, 'connection'), closed])
      child.kill(signal)
      assert.deepEqual(await closed, [130, null], stderr)
      assert.match(stderr, /^error CANCELLED: /m)
      assert.deepEqual(
        (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.lock')),
        []
      )
    })
})
