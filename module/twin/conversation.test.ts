import assert from 'node:assert/strict'
import { LineLog } from '../log/log.ts'
import { Conversation } from './conversation.ts'
import { Desired } from './desired.ts'
import { TwinError } from './errors.ts'
import type { Properties } from './merge.ts'
import { Reported } from './reported.ts'
import type { Session, TwinDocuments } from './session.ts'

/** A session whose answers the test gives, one by one. */
class FakeSession implements Session {
  readonly #end = Promise.withResolvers<Error>()
  readonly ended = this.#end.promise
  readonly asked: ('get' | Properties)[] = []
  #answers: PromiseWithResolvers<unknown>[] = []
  #calls: (() => void)[] = []

  getTwin(): Promise<TwinDocuments> {
    return this.#ask('get') as Promise<TwinDocuments>
  }

  async report(patch: Properties): Promise<void> {
    await this.#ask(patch)
  }

  send(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#end.resolve(new Error('closed'))
    return Promise.resolve()
  }

  /** The request in flight, once there is one. */
  async request(): Promise<PromiseWithResolvers<unknown>> {
    while (this.#answers.length === 0) await new Promise<void>((resolve) => this.#calls.push(resolve))
    return this.#answers[0]!
  }

  async answer(value?: unknown): Promise<void> {
    const { resolve } = await this.request()
    this.#answers.shift()
    resolve(value)
  }

  async fail(error: Error): Promise<void> {
    const { reject } = await this.request()
    this.#answers.shift()
    reject(error)
  }

  #ask(what: 'get' | Properties): Promise<unknown> {
    assert.equal(this.#answers.length, 0, 'two requests at once')
    this.asked.push(what)
    const answer = Promise.withResolvers<unknown>()
    this.#answers.push(answer)
    for (const call of this.#calls.splice(0)) call()
    return answer.promise
  }
}

describe('Conversation', () => {
  let session: FakeSession
  let told: unknown[]
  let reported: Reported
  let desired: Desired
  let conversation: Conversation
  let over: Promise<Error>
  let settled: PromiseWithResolvers<undefined>

  beforeEach(() => {
    session = new FakeSession()
    told = []
    settled = Promise.withResolvers<undefined>()
    reported = new Reported()
    desired = new Desired({
      coalesceMs: 0,
      changed: (document, version) => told.push([document, version]),
      moved: (version) => told.push(version)
    })
    conversation = new Conversation({
      desired,
      reported,
      refreshMs: 3_600_000,
      backoff: { firstMs: 1, mostMs: 2, random: () => 0.5 },
      log: new LineLog(() => undefined),
      settled: () => settled.resolve(undefined)
    })
    over = conversation.run(session)
    over.catch(() => undefined)
  })

  afterEach(async () => {
    await session.close()
    await session.fail(new TwinError('TWIN_OFFLINE', 'closed')).catch(() => undefined)
  })

  // The session of these tests always has a request in flight at their end: a read that nobody answers.
  const twin = (desiredSection: Properties, reportedSection: Properties = {}): TwinDocuments => ({
    desired: desiredSection,
    reported: reportedSection
  })

  it('keeps patches that come while the twin is being read, and applies those that came after it', async () => {
    await session.request()
    conversation.patched({ a: 'old', $version: 4 })
    conversation.patched({ b: 'new', $version: 6 })
    await session.answer(twin({ a: 'read', $version: 5 }))
    conversation.readAgain()
    await session.request()
    await new Promise((resolve) => setTimeout(resolve, 5))
    assert.deepEqual(told, [
      [{ a: 'read' }, 5],
      [{ a: 'read', b: 'new' }, 6]
    ])
  })

  it('keeps them when the read fails, too', async () => {
    await session.answer(twin({ a: 1, $version: 5 }))
    conversation.readAgain()
    await session.request()
    conversation.patched({ b: 2, $version: 6 })
    await session.fail(new TwinError('TWIN_REFUSED', 'no', { status: 500 }))
    await session.request()
    await new Promise((resolve) => setTimeout(resolve, 5))
    assert.deepEqual(told.at(-1), [{ a: 1, b: 2 }, 6])
  })

  it('reads again after a gap', async () => {
    await session.answer(twin({ $version: 5 }))
    conversation.patched({ a: 1, $version: 8 })
    await session.answer(twin({ a: 1, b: 1, $version: 8 }))
    conversation.readAgain()
    await session.request()
    await new Promise((resolve) => setTimeout(resolve, 5))
    assert.deepEqual(told.at(-1), [{ a: 1, b: 1 }, 8])
  })

  it('sends what is left after a report whose answer was lost, from what a new read shows', async () => {
    reported.want({ a: 1, b: 1 })
    await session.answer(twin({ $version: 1 }))
    await session.request()
    assert.deepEqual(session.asked.at(-1), { a: 1, b: 1 })
    conversation.readAgain()
    await session.fail(new TwinError('TWIN_TIMEOUT', 'late'))
    await session.answer(twin({ $version: 1 }, { a: 1, $version: 2 }))
    await session.request()
    assert.deepEqual(session.asked.at(-1), { b: 1 })
    await session.answer()
    await settled.promise
    conversation.readAgain()
    await session.request()
  })

  it('asks at once where the connection was made anew under a request', async () => {
    await session.fail(new TwinError('TWIN_OFFLINE', 'the connection was made anew'))
    await session.answer(twin({ a: 1, $version: 1 }))
    conversation.readAgain()
    await session.request()
    assert.deepEqual(told, [[{ a: 1 }, 1]])
  })

  it('asks again in time where the clock is set back meanwhile', async () => {
    const { now } = Date
    try {
      reported.want({ a: 1 })
      await session.answer(twin({ $version: 1 }))
      await session.fail(new TwinError('TWIN_TIMEOUT', 'late'))
      // The failure has been dealt with, and the wait begun.
      for (let turn = 0; turn < 20; turn++) await Promise.resolve()
      Date.now = () => now() - 6 * 3_600_000
      await session.request()
      assert.deepEqual(session.asked, ['get', { a: 1 }, { a: 1 }])
      await session.answer()
      await settled.promise
      conversation.readAgain()
      await session.request()
    } finally {
      Date.now = now
    }
  })

  it('gives up on a session that is silent three times', async () => {
    for (let read = 0; read < 3; read++) await session.fail(new TwinError('TWIN_TIMEOUT', 'late'))
    await assert.rejects(over, { code: 'TWIN_TIMEOUT' })
    void session.getTwin()
  })

  it('ends with the reason of the session', async () => {
    await session.answer(twin({ $version: 1 }))
    await session.close()
    assert.equal((await over).message, 'closed')
    void session.getTwin()
  })
})
