import assert from 'node:assert/strict'
import { artifactSource } from './artifact-source.ts'
import { LineLog } from './log/log.ts'
import { digestOf } from './oci/digest.ts'
import { parseRepository } from './oci/name.ts'
import type { Environment } from './settings/environment.ts'

describe('where settings artifacts come from', () => {
  const environment: Environment = {
    source: { kind: 'file', path: '/nowhere' },
    dataFolder: '/nowhere',
    listen: { host: '127.0.0.1', port: 1 }
  }
  const parent = { endpoint: 'my.azurecr.io', tokenName: 'device-7', password: 'x' }
  const reference = { repository: parseRepository('causeway/settings'), digest: digestOf(Buffer.from('{}')) }

  const fetchBy = async (document: Readonly<Record<string, unknown>>, given = environment): Promise<string> => {
    let asked = ''
    const source = artifactSource(
      given,
      {
        borrow: ({ origin }) => {
          asked = origin
          return Promise.reject(new Error('the link is down'))
        }
      },
      new LineLog(() => undefined)
    )
    const failure = await source.fetch(document, reference, new AbortController().signal).then(
      () => assert.fail(),
      (error: unknown) => error as Error
    )
    return asked === '' ? failure.message : asked
  }

  it('is the parent that the document names, keys of a newer release beside it or not', async () => {
    assert.equal(await fetchBy({ parent }), 'https://my.azurecr.io')
    assert.equal(await fetchBy({ parent: { ...parent, novelty: true } }), 'https://my.azurecr.io')
  })

  it('is told where it is none', async () => {
    assert.match(await fetchBy({}), /there is no parent to fetch it from/)
    assert.match(await fetchBy({ parent: { endpoint: 'a b' } }), /the parent of these settings is not valid/)
    const connectionProblem = 'ACR_PARENT_GATEWAY_ENDPOINT must be host or host:port'
    assert.equal(await fetchBy({}, { ...environment, connectionProblem }), connectionProblem)
  })
})
