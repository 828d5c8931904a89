import assert from 'node:assert/strict'
import type { TokenCredential } from '@azure/identity'
import { limitedCredential } from './credential.ts'

/** As MSAL is on a link that swallows packets, whatever signal it is given. */
const silent: TokenCredential = { getToken: () => new Promise(() => undefined) }
const token = { token: 'a-token', expiresOnTimestamp: 0 }

describe('a sign-in', () => {
  it('is given up when its time is over, and says what to look at', async () => {
    const { signal } = new AbortController()
    await assert.rejects(limitedCredential(silent, signal, 5).getToken('scope'), {
      code: 'TIMED_OUT',
      message: /^signing in to Azure: .* has not answered in 1 s\. Look at the network/
    })
  })

  it('ends at Ctrl-C, and none begins after it', async () => {
    const stopping = new AbortController()
    const signing = limitedCredential(silent, stopping.signal).getToken('scope')
    stopping.abort()
    await assert.rejects(signing, { code: 'CANCELLED' })
    const quick: TokenCredential = { getToken: () => Promise.resolve(token) }
    await assert.rejects(limitedCredential(quick, stopping.signal).getToken('scope'), { code: 'CANCELLED' })
  })

  it('hands on what is asked for, and what comes', async () => {
    const asked: unknown[] = []
    const quick: TokenCredential = {
      getToken: (...what) => {
        asked.push(what)
        return Promise.resolve(token)
      }
    }
    const { signal } = new AbortController()
    assert.equal(await limitedCredential(quick, signal).getToken('scope', { claims: 'more' }), token)
    assert.deepEqual(asked, [['scope', { claims: 'more' }]])
  })
})
