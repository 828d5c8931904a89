import assert from 'node:assert/strict'
import { parseChallenges } from './challenge.ts'

describe('parent: challenges', () => {
  it('reads a scope that holds commas', () => {
    const header =
      'Bearer realm="https://example.azurecr.io/oauth2/token",service="example.azurecr.io",scope="repository:a/b:pull,push"'
    assert.deepEqual(parseChallenges(header), [
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://example.azurecr.io/oauth2/token',
          service: 'example.azurecr.io',
          scope: 'repository:a/b:pull,push'
        }
      }
    ])
  })

  it('reads several challenges of one header, bare values and escaped quotes', () => {
    assert.deepEqual(
      parseChallenges('Basic realm="a \\"b\\", c", charset=UTF-8, BEARER realm=x ,error="invalid_token"'),
      [
        { scheme: 'basic', parameters: { realm: 'a "b", c', charset: 'UTF-8' } },
        { scheme: 'bearer', parameters: { realm: 'x', error: 'invalid_token' } }
      ]
    )
  })

  it('reads several headers, and nothing from none', () => {
    assert.deepEqual(
      parseChallenges(['Negotiate', 'Basic realm="r"']).map(({ scheme }) => scheme),
      ['negotiate', 'basic']
    )
    assert.deepEqual(parseChallenges(undefined), [])
    assert.deepEqual(parseChallenges('"'), [])
  })
})
