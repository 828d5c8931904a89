import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LoneModule } from './lone-module.ts'
import { ask } from './world.ts'

const password = 'plain words that nobody is to read'

describe('what the module writes to its log, and shows', function () {
  this.timeout(30_000)

  it('has no secret in it, whoever says it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'causeway-log-'))
    const module = new LoneModule(folder)
    // Some answer with what they were asked: a debugging proxy, a web application's error page.
    const parent = createServer((_request, response) => {
      const message = `cannot answer ${password}, authorization: Bearer abcdefghijklmnop1`
      response.writeHead(500, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ errors: [{ code: 'UNKNOWN', message }] }))
    }).listen(0, '127.0.0.1')
    await once(parent, 'listening')
    try {
      const endpoint = `127.0.0.1:${(parent.address() as AddressInfo).port}`
      await module.write({
        schemaVersion: '1.0',
        parent: { endpoint, protocol: 'http', tokenName: 'sync-token', password },
        imageSets: { plant: { repositories: ['plant/app'] } },
        page: { open: true }
      })
      await module.start()
      await module.logs(/cannot answer \[hidden\], authorization: Bearer \[hidden\]/)
      await module.logs(/ sync ended /)
      // The page shows what the module reports in its twin.
      const told = (await ask({ origin: module.origin }, '/acr/')).body.toString()
      assert.match(told, /cannot answer \[hidden\], authorization: Bearer \[hidden\]/)
      assert.doesNotMatch(`${told}${module.log}`, /plain words|abcdefgh/)
    } finally {
      if (module.isRunning) await module.stop()
      parent.closeAllConnections()
      parent.close()
      await rm(folder, { recursive: true, force: true })
    }
  })
})
