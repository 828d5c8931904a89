import assert from 'node:assert/strict'
import { SdkWorld } from '../acr/sdk-world.test.ts'
import type { GeneratorError } from '../errors.ts'

const registry = 'signinregistry'

/** Through MSAL itself, which tells of the status only where it could not read the body. */
describe('a sign-in that Entra ID does not take', () => {
  let world: SdkWorld
  before(async () => {
    world = await SdkWorld.start([registry])
  })
  after(() => world.close())

  for (const [what, fault, expected] of [
    [
      'a client that asks in a loop',
      {
        status: 429,
        error: 'temporarily_unavailable',
        description: 'AADSTS50196: The server terminated an operation because it encountered a client request loop.'
      },
      /^AZURE_THROTTLED .*asked too often \(AADSTS50196: .*run this again in a minute/
    ],
    [
      'a busy tenant',
      { status: 429, error: 'invalid_request', description: 'AADSTS90055: Server is busy.' },
      /^AZURE_THROTTLED .*AADSTS90055/
    ],
    ['throttling without a word', { status: 429 }, /^AZURE_THROTTLED .*\(HTTP 429\)/],
    [
      'a fault of its own, with a number',
      { status: 503, error: 'temporarily_unavailable', description: 'AADSTS90033: A transient error has occurred.' },
      /^AZURE_UNAVAILABLE .*\(AADSTS90033: .*run this again later/
    ],
    [
      'a fault of its own, without one',
      { status: 503, error: 'server_error', description: 'Something broke.' },
      /^AZURE_UNAVAILABLE .*has a problem of its own; run this again later/
    ],
    [
      'a wrong secret',
      { status: 401, error: 'invalid_client', description: 'AADSTS7000215: Invalid client secret provided.' },
      /^AZURE_UNAUTHORIZED .*AADSTS7000215.*Check AZURE_TENANT_ID/
    ]
  ] as const)
    it(`is told as ${what}`, async () => {
      const once = { retryOptions: { maxRetries: 0 } }
      const credential = world.credential(once)
      world.cloud.login.fault = fault
      await assert.rejects(
        world.acr(registry, { client: world.sdk({ ...once, credential }) }).registry(),
        ({ code, message }: GeneratorError) => {
          assert.match(`${code} ${message}`, expected)
          return true
        }
      )
    })
})
