import assert from 'node:assert/strict'
import { Agent, ProxyAgent } from 'undici'
import { createOutbound, defaultTimeouts, type Outbound } from './outbound.ts'

describe('parent: which way out', () => {
  const made: Outbound[] = []
  afterEach(async () => {
    await Promise.all(made.splice(0).map((outbound) => outbound.close()))
  })

  async function wayTo(address: string, environment: Record<string, string>): Promise<'proxy' | 'direct'> {
    const outbound = createOutbound(environment, undefined, defaultTimeouts)
    made.push(outbound)
    const dispatcher = await outbound.dispatcher(new URL(address))
    assert.ok(dispatcher instanceof Agent || dispatcher instanceof ProxyAgent)
    return dispatcher instanceof ProxyAgent ? 'proxy' : 'direct'
  }

  for (const [noProxy, address, way] of [
    ['', 'https://example.azurecr.io', 'proxy'],
    ['example.azurecr.io', 'https://example.azurecr.io', 'direct'],
    ['azurecr.io', 'https://example.azurecr.io', 'direct'],
    ['.azurecr.io', 'https://example.azurecr.io', 'direct'],
    ['*.azurecr.io', 'https://EXAMPLE.azurecr.io', 'direct'],
    ['ecr.io', 'https://example.azurecr.io', 'proxy'],
    ['localhost azurecr.io:443', 'https://example.azurecr.io', 'direct'],
    ['azurecr.io:8443', 'https://example.azurecr.io', 'proxy'],
    ['::1', 'https://[::1]:8000', 'direct'],
    ['[::1]:8000', 'https://[::1]:8000', 'direct'],
    ['*', 'https://example.azurecr.io', 'direct']
  ] as const)
    it(`no_proxy=${noProxy} sends ${address} ${way}`, async () => {
      assert.equal(await wayTo(address, { https_proxy: 'proxy.test:3128', NO_PROXY: noProxy }), way)
    })

  it('takes lower case before upper case, and an empty variable for none', async () => {
    assert.equal(await wayTo('https://a.test', { https_proxy: '', HTTPS_PROXY: 'http://proxy.test' }), 'direct')
    assert.equal(await wayTo('https://a.test', { https_proxy: 'http://proxy.test', HTTPS_PROXY: '' }), 'proxy')
  })
})
