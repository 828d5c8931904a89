import assert from 'node:assert/strict'
import type { Server } from 'node:http'
import { digestOf } from '../oci/digest.ts'
import type { AuditEntry } from './audit.ts'
import { basic, manifest, portOf, useWorld, type Answer } from './world.test.ts'

describe('registry: audit', () => {
  const world = useWorld()
  const entries: Omit<AuditEntry, 'correlationId'>[] = []
  let server: Server

  before(async () => {
    server = await world.start({
      audit: {
        record: ({ correlationId, ...entry }) => {
          assert.match(correlationId, /^[0-9a-f-]{36}$/)
          entries.push(entry)
        }
      }
    })
  })
  beforeEach(() => (entries.length = 0))

  const send = (method: string, path: string, authorization?: string, body?: string): Promise<Answer> =>
    world.send(method, path, authorization === undefined ? {} : { authorization }, body, portOf(server))
  const wrong = `Basic ${Buffer.from('reader:sesame').toString('base64')}`
  const digest = digestOf(manifest)
  const common = { who: 'reader', address: '127.0.0.1' }

  it('tells who pulled which manifest', async () => {
    await send('GET', '/v2/samples/app/manifests/1.0', basic)
    await send('GET', `/v2/samples/app/manifests/${digest}`, await world.bearer('repository:samples/app:pull'))
    const pull = { ...common, action: 'pull', repository: 'samples/app', digest, result: 200 }
    assert.deepEqual(entries, [
      { ...pull, reference: '1.0' },
      { ...pull, reference: digest }
    ])
  })

  it('tells what was refused, and to whom', async () => {
    await send('GET', '/v2/private/app/manifests/1.0', basic)
    await send('GET', '/v2/samples/app/tags/list', wrong)
    await send('GET', '/oauth2/token?service=x', wrong)
    await send('GET', '/v2/samples/app/manifests/1.0', 'Bearer nonsense')
    assert.deepEqual(entries, [
      { ...common, action: 'pull', repository: 'private/app', reference: '1.0', result: 403 },
      { ...common, action: 'read', repository: 'samples/app', result: 401 },
      { ...common, action: 'token', result: 401 },
      { who: '', address: '127.0.0.1', action: 'pull', repository: 'samples/app', reference: '1.0', result: 401 }
    ])
    assert.doesNotMatch(JSON.stringify(entries), /sesame|nonsense/)
  })

  it("names whom the token endpoint's form names", async () => {
    const form = new URLSearchParams({ grant_type: 'password', username: 'guesser', password: 'sesame', service: 'x' })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    await world.send('POST', '/oauth2/token', headers, form.toString(), portOf(server))
    assert.deepEqual(entries, [{ who: 'guesser', address: '127.0.0.1', action: 'token', result: 401 }])
  })

  it('tells of pushes and deletes that are tried, done or not', async () => {
    await send('PUT', '/v2/samples/app/manifests/new', basic, '{}')
    await send('DELETE', `/v2/samples/app/manifests/${digest}`, basic)
    assert.deepEqual(
      entries.map(({ action, reference, result }) => [action, reference, result >= 400]),
      [
        ['push', 'new', true],
        ['delete', digest, true]
      ]
    )
  })

  it('leaves out what is no news: challenges, HEAD, blobs, lists and logins that go well', async () => {
    await send('GET', '/v2/')
    await send('GET', '/v2/', basic)
    await send('GET', '/v2/samples/app/manifests/1.0')
    await send('HEAD', '/v2/samples/app/manifests/1.0', basic)
    await send('GET', '/v2/samples/app/manifests/none', basic)
    await send('GET', '/v2/samples/app/tags/list', basic)
    await send('GET', '/oauth2/token?service=x', basic)
    await send('GET', '/elsewhere', basic)
    assert.deepEqual(entries, [])
  })
})
