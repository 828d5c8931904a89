import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { LineLog } from './log/log.ts'
import type { Access } from './access/access.ts'
import { PageKeeper } from './page-keeper.ts'
import { portOf } from './registry/world.test.ts'
import { Rights } from './access/rights.ts'
import { decide } from './access/authorize.ts'
import { createStatus } from './status/status.ts'

/* Which client tokens see on the page what a parent says: it may name any repository, and the sync token. */

describe('the page, of what the parent says,', () => {
  const message = 'the parent refuses sync-token bob/app:1.0'
  const maps: Readonly<Record<string, readonly string[]>> = {
    alice: ['repositories/alice/*/content/read', 'repositories/alice/*/metadata/read'],
    puller: ['repositories/*/content/read'],
    operator: ['repositories/*/metadata/read']
  }
  let keeper: PageKeeper
  let server: Server

  before(async () => {
    const status = createStatus({ version: '1.2.3', startedAt: new Date() })
    const access: Pick<Access, 'authorize'> = {
      authorize: (name = '', need) =>
        Promise.resolve(decide({ name, rights: Rights.of(maps[name] ?? []) }, undefined, need))
    }
    keeper = new PageKeeper({ name: 'ship-7', status, access, log: new LineLog(() => undefined) })
    const news = { kind: 'parent', answers: false, code: 'PARENT_DENIED', message } as const
    status.observe(news)
    keeper.observe(news)
    server = createServer((request, response) => void keeper.handle(request, response, 'a-request-id'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(() => {
    keeper.close()
    server.closeAllConnections()
    server.close()
  })

  const read = async (authorization: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${portOf(server)}/acr/`, { headers: { authorization } })).text()

  it('shows no more than its code to a token that may not list every repository', async () => {
    for (const name of ['alice', 'puller']) {
      const text = await read(name)
      assert.doesNotMatch(text, /bob|sync-token/, name)
      assert.match(text, /<strong>ParentDenied<\/strong>/)
      assert.match(text, /The parent: ParentDenied/)
    }
  })

  it('shows it to a token that may, and to everybody where the settings open the page', async () => {
    const whole =
      /<strong>ParentDenied<\/strong> the parent refuses sync-token bob\/app:1\.0[^]*The parent: the parent refuses sync-token/
    assert.match(await read('operator'), whole)
    keeper.configure({ open: true })
    assert.match(await read('nobody'), whole)
  })
})
