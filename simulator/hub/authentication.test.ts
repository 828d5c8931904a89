import assert from 'node:assert/strict'
import { sign, startTestHub, type TestHub } from './testing.ts'

const path = '/twins/gateway?api-version=2021-04-12'

describe('who may call the hub', () => {
  let test: TestHub

  before(async () => {
    test = await startTestHub({
      verifyBearer: (token) => {
        const audiences: Record<string, string> = {
          good: 'https://iothubs.azure.net',
          other: 'https://management.azure.com'
        }
        const audience = audiences[token]
        if (token === 'broken') throw new Error('not a token')
        return audience === undefined ? undefined : { audience }
      }
    })
  })

  after(() => test.close())

  it('lets the SDK in by connection string and by Entra token', async () => {
    await test.registry().getTwin('gateway')
    await test.registryFor('good').getTwin('gateway')
    assert.deepEqual(
      test.hub.requests.slice(-2).map(({ caller }) => caller),
      ['iothubowner', 'bearer']
    )
  })

  it('tells the SDK that a wrong key and a token for something else are unauthorized', async () => {
    const wrong = test.hub.connectionString.replace(/SharedAccessKey=.*/, 'SharedAccessKey=d3Jvbmc=')
    await assert.rejects(test.registry(wrong).getTwin('gateway'), {
      name: 'UnauthorizedError',
      message: 'Unauthorized'
    })
    await assert.rejects(test.registryFor('other').getTwin('gateway'), { name: 'UnauthorizedError' })
    await assert.rejects(test.registryFor('broken').getTwin('gateway'), { name: 'UnauthorizedError' })
    await assert.rejects(test.registryFor('forged').getTwin('gateway'), { name: 'UnauthorizedError' })
  })

  const host = 'causeway-hub.azure-devices.net'
  const past = Math.floor(Date.now() / 1000) - 1
  const good = sign({ resource: host })
  const cases: readonly (readonly [string, string, number])[] = [
    ['the whole hub', good, 200],
    ['the hub in other letters', sign({ resource: host.toUpperCase() }), 200],
    ['the twin alone', sign({ resource: `${host}/twins/gateway` }), 200],
    ['another twin', sign({ resource: `${host}/twins/gate` }), 401],
    ['another hub', sign({ resource: 'other.azure-devices.net' }), 401],
    ['the hub until a second ago', sign({ resource: host, expiry: past }), 401],
    [
      'the hub until a later time than was signed',
      sign({ resource: host, expiry: past }).replace(/se=\d+/, 'se=9999999999'),
      401
    ],
    ['the hub with another key', sign({ resource: host, key: 'd3Jvbmc=' }), 401],
    ['the hub by an unknown policy', sign({ resource: host, name: 'nobody' }), 401],
    ['the hub without a signature', good.replace(/sig=[^&]*&/, ''), 401],
    ['the hub with a signature that is not encoded well', good.replace(/sig=[^&]*/, 'sig=%'), 401],
    ['nothing', '', 401],
    ['something else', 'Basic dTpw', 401]
  ]
  for (const [what, authorization, status] of cases)
    it(`answers ${status} to a signature for ${what}`, async () => {
      const reply = await test.send('GET', path, { headers: { authorization } })
      assert.equal(reply.status, status)
      if (status === 401) {
        assert.equal(reply.headers['iothub-errorcode'], 'IotHubUnauthorizedAccess')
        assert.match((reply.body as { Message: string }).Message, /^ErrorCode:IotHubUnauthorizedAccess;Unauthorized$/)
      }
    })
})
