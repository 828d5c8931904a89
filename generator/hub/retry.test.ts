import assert from 'node:assert/strict'
import { GeneratorError } from '../errors.ts'
import { withRetries } from './retry.ts'

const options = { signal: new AbortController().signal, timeout: 1000, delay: 1 }

function refusal(statusCode: number, headers: Record<string, string> = {}): Error {
  return Object.assign(new Error('no'), { response: { statusCode, headers }, responseBody: '' })
}

describe('retries', () => {
  async function triesOf(error: Error, fails = Infinity): Promise<number> {
    let tries = 0
    const send = (): Promise<string> => (++tries > fails ? Promise.resolve('through') : Promise.reject(error))
    await withRetries(send, options).catch((last: unknown) => {
      assert.equal(last, error)
    })
    return tries
  }

  for (const status of [408, 429, 500, 502, 503, 504])
    it(`try again after ${status}`, async () => {
      assert.equal(await triesOf(refusal(status), 1), 2)
      assert.equal(await triesOf(refusal(status)), 4)
    })

  for (const status of [400, 401, 403, 404, 409, 412])
    it(`do not after ${status}`, async () => {
      assert.equal(await triesOf(refusal(status)), 1)
    })

  it('try again after a broken connection, and not after a name that is unknown or a certificate that is not trusted', async () => {
    assert.equal(await triesOf(Object.assign(new Error('reset'), { code: 'ECONNRESET' }), 2), 3)
    assert.equal(await triesOf(Object.assign(new Error('name'), { code: 'ENOTFOUND' })), 1)
    assert.equal(await triesOf(Object.assign(new Error('ca'), { code: 'SELF_SIGNED_CERT_IN_CHAIN' })), 1)
  })

  it('wait as long as the service asks', async () => {
    const stopping = new AbortController()
    let tries = 0
    const sent = withRetries(
      () => {
        tries++
        // The pause that follows is the one asked for: only Ctrl-C ends it in this test's time.
        setImmediate(() => {
          stopping.abort()
        })
        return Promise.reject(refusal(429, { 'retry-after': '60' }))
      },
      { ...options, signal: stopping.signal }
    )
    await assert.rejects(sent, { code: 'CANCELLED' })
    assert.equal(tries, 1)
  })

  it('give up on silence', async () => {
    const silence = new Promise<never>(() => undefined)
    await assert.rejects(
      withRetries(() => silence, { ...options, timeout: 5 }),
      (error: unknown) => error instanceof GeneratorError && error.code === 'TIMED_OUT'
    )
  })

  it('stop at Ctrl-C in the middle of a call', async () => {
    const stopping = new AbortController()
    const sent = withRetries(
      () => {
        setImmediate(() => {
          stopping.abort()
        })
        return new Promise<never>(() => undefined)
      },
      { ...options, signal: stopping.signal, timeout: 60_000 }
    )
    await assert.rejects(sent, { code: 'CANCELLED' })
  })
})
