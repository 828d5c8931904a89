import assert from 'node:assert/strict'
import { CloudFixture, testIdentity, type Answer } from '../cloud-fixture.ts'
import { EntraTokenError } from './entra-tokens.ts'

const origin = 'https://login.microsoftonline.com'
const { tenantId, clientId, clientSecret } = testIdentity

describe('the pretend login', () => {
  let clock = 0
  let fixture: CloudFixture

  before(async () => {
    clock = Date.now()
    fixture = await CloudFixture.start({ now: () => clock })
  })
  after(() => fixture.close())

  const good = {
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
    scope: 'https://management.azure.com/.default'
  }
  const ask = (form: Record<string, string>, tenant: string = tenantId): Promise<Answer> =>
    fixture.send('POST', `${origin}/${tenant}/oauth2/v2.0/token`, { body: new URLSearchParams(form) })

  it('issues a bearer token whose claims name audience, tenant and end', async () => {
    const answer = await ask(good)
    assert.equal(answer.status, 200)
    const { access_token, ...rest } = answer.json as Record<string, unknown>
    assert.deepEqual(rest, { token_type: 'Bearer', expires_in: 3599, ext_expires_in: 3599 })
    const claims = JSON.parse(Buffer.from(String(access_token).split('.')[1]!, 'base64url').toString())
    assert.equal(claims.aud, 'https://management.azure.com')
    assert.equal(claims.tid, tenantId)
    assert.equal(claims.exp, Math.floor(clock / 1000) + 3599)
  })

  const rows = [
    ['a wrong secret', { client_secret: 'wrong' }, 401, 'invalid_client', 7000215],
    ['an assertion that nobody vouches for', { client_assertion: 'a.b.c' }, 401, 'invalid_client', 700213],
    ['an unknown application', { client_id: 'nobody' }, 400, 'unauthorized_client', 700016],
    ['another grant', { grant_type: 'password' }, 400, 'unsupported_grant_type', 70003],
    ['what is no scope', { scope: 'everything' }, 400, 'invalid_scope', 70011],
    ['an unknown resource', { scope: 'https://example.com/.default' }, 400, 'invalid_resource', 500011]
  ] as const
  for (const [what, change, status, error, number] of rows)
    it(`refuses ${what} as AADSTS${number}`, async () => {
      const answer = await ask({ ...good, ...change })
      assert.equal(answer.status, status)
      const body = answer.json
      assert.equal(body.error, error)
      assert.deepEqual(body.error_codes, [number])
      assert.match(
        String(body.error_description),
        new RegExp(`^AADSTS${number}: .* Trace ID: \\S+ Correlation ID: \\S+ Timestamp: `)
      )
      assert.equal(answer.text.includes(clientSecret), false)
    })

  it('refuses another tenant, wherever it is named', async () => {
    assert.deepEqual((await ask(good, 'elsewhere')).json.error_codes, [90002])
    const configuration = await fixture.send('GET', `${origin}/elsewhere/v2.0/.well-known/openid-configuration`)
    assert.equal(configuration.status, 400)
  })

  it('tells clients where its endpoints are', async () => {
    const authorize = encodeURIComponent(`${origin}/${tenantId}/oauth2/v2.0/authorize`)
    const discovery = await fixture.send(
      'GET',
      `${origin}/common/discovery/instance?api-version=1.1&authorization_endpoint=${authorize}`
    )
    const { tenant_discovery_endpoint } = discovery.json
    const configuration = (await fixture.send('GET', String(tenant_discovery_endpoint))).json
    assert.equal(configuration.token_endpoint, `${origin}/${tenantId}/oauth2/v2.0/token`)
  })

  it('vouches for its tokens to a hub, and for no others', async () => {
    const refusedFor = async (authorization: string | undefined): Promise<string> => {
      try {
        await fixture.cloud.verifyHubToken(authorization)
      } catch (error) {
        if (error instanceof EntraTokenError) return error.reason
        throw error
      }
      return 'nothing'
    }
    const token = await fixture.entraToken('https://iothubs.azure.net/.default')
    assert.equal((await fixture.cloud.verifyHubToken(`Bearer ${token}`)).clientId, clientId)
    assert.equal(await refusedFor(undefined), 'missing')
    assert.equal(await refusedFor('SharedAccessSignature sr=x'), 'malformed')
    assert.equal(await refusedFor(`Bearer ${token.slice(0, -4)}AAAA`), 'malformed')
    assert.equal(await refusedFor(`Bearer ${await fixture.entraToken()}`), 'audience')
    clock += 3_600_000
    assert.equal(await refusedFor(`Bearer ${token}`), 'expired')
  })
})
