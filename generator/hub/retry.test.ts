import assert from 'node:assert/strict'
import { limited } from '../azure/wait.ts'
import { GeneratorError } from '../errors.ts'
import { withRetries } from './retry.ts'

const options = { signal: new AbortController().signal, delay: 1 }

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

  for (const [status, most] of [
    [408, 4],
    // A throttle counts by the minute.
    [429, 7],
    [500, 4],
    [502, 4],
    [503, 4],
    [504, 4]
  ] as const)
    it(`try again after ${status}`, async () => {
      assert.equal(await triesOf(refusal(status), 1), 2)
      assert.equal(await triesOf(refusal(status)), most)
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
      withRetries(() => limited(() => silence, { ...options, timeout: 5, what: 'reading a twin: the hub' }), options),
      (error: unknown) => error instanceof GeneratorError && error.code === 'TIMED_OUT'
    )
  })

  it('stop at Ctrl-C in the middle of a call', async () => {
    const stopping = new AbortController()
    const silence = (): Promise<never> => {
      setImmediate(() => {
        stopping.abort()
      })
      return new Promise<never>(() => undefined)
    }
    const { signal } = stopping
    const sent = withRetries(() => limited(silence, { signal, timeout: 60_000, what: 'reading a twin: the hub' }), {
      ...options,
      signal
    })
    await assert.rejects(sent, { code: 'CANCELLED' })
  })
})
