import assert from 'node:assert/strict'
import { LineLog } from '../log/log.ts'
import { answerMethod, type MethodHandler } from './method.ts'

describe('answerMethod', () => {
  const lines: string[] = []
  const call = (handler: MethodHandler | undefined, body = 'null') =>
    answerMethod('m', handler, Buffer.from(body), { timeoutMs: 1_000, log: new LineLog((line) => lines.push(line)) })

  it('gives an empty body to the handler as null', async () => {
    assert.deepEqual(await call((payload) => ({ status: 200, payload: [payload] }), ''), {
      status: 200,
      payload: [null]
    })
  })

  it('refuses a payload that is no JSON, without calling the handler', async () => {
    const answer = await call(() => assert.fail('called'), '{')
    assert.deepEqual(answer, { status: 400, payload: { code: 'PAYLOAD_INVALID', message: 'the payload is not JSON' } })
  })

  it('refuses an answer that the hub would not carry', async () => {
    const answer = await call(() => ({ status: 200, payload: 'x'.repeat(128 * 1024) }))
    assert.equal(answer.status, 500)
    assert.equal((answer.payload as { code: string }).code, 'ANSWER_TOO_LARGE')
  })

  it('answers 500 to a payload that JSON cannot carry', async () => {
    assert.equal((await call(() => ({ status: 200, payload: 1n }))).status, 500)
  })

  it('logs what failed', async () => {
    await call(() => Promise.reject(new Error('the disk is full')))
    assert.match(lines.at(-1)!, /direct method m failed: the disk is full/)
  })
})
