import assert from 'node:assert/strict'
import { proxyFor } from './proxy.ts'

const host = 'causeway-hub.azure-devices.net'
const proxy = 'http://proxy:3128'

describe('proxies', () => {
  for (const [what, env, expected] of [
    ['none without a variable', {}, undefined],
    ['none for an empty one', { https_proxy: ' ' }, undefined],
    ['https_proxy before HTTPS_PROXY', { https_proxy: proxy, HTTPS_PROXY: 'http://other' }, proxy],
    ['HTTPS_PROXY', { HTTPS_PROXY: proxy }, proxy],
    ['all_proxy', { all_proxy: proxy }, proxy],
    ['none for an exempt domain', { https_proxy: proxy, no_proxy: 'localhost, .azure-devices.net' }, undefined],
    ['none for an exempt host, with its port', { https_proxy: proxy, NO_PROXY: `${host}:443` }, undefined],
    ['none for a starred domain', { https_proxy: proxy, no_proxy: '*.azure-devices.net' }, undefined],
    ['none where all are exempt', { https_proxy: proxy, no_proxy: '*' }, undefined],
    ['one for a name that only ends alike', { https_proxy: proxy, no_proxy: 'devices.net' }, proxy]
  ] as const)
    it(`are ${what}`, () => {
      assert.equal(proxyFor(host, env), expected)
    })
})
