import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { LineLog } from '../log/log.ts'
import { Conversation } from './conversation.ts'
import { Desired } from './desired.ts'
import { TwinError } from './errors.ts'
import type { Properties } from './merge.ts'
import { Reported } from './reported.ts'
import type { Session } from './session.ts'

const hour = 3_600_000

describe('Conversation: after a report that was not taken', () => {
  let reports: Properties[]
  let sent: EventEmitter
  let refusal: Error | undefined
  let reported: Reported
  let conversation: Conversation
  let end: (reason: Error) => void

  beforeEach(() => {
    const ended = Promise.withResolvers<Error>()
    end = ended.resolve
    reports = []
    sent = new EventEmitter()
    const session: Session = {
      ended: ended.promise,
      getTwin: () => Promise.resolve({ desired: { $version: 1 }, reported: {} }),
      report: (patch) => {
        reports.push(patch)
        setImmediate(() => sent.emit('report'))
        return refusal === undefined ? Promise.resolve() : Promise.reject(refusal)
      },
      send: () => Promise.resolve(),
      close: () => Promise.resolve()
    }
    reported = new Reported()
    conversation = new Conversation({
      desired: new Desired({ coalesceMs: 0, changed: () => undefined, moved: () => undefined }),
      reported,
      refreshMs: hour,
      // Whatever is tried again by itself is tried after this test.
      backoff: { firstMs: hour, mostMs: hour, random: () => 0.5 },
      log: new LineLog(() => undefined),
      settled: () => undefined
    })
    void conversation.run(session)
  })
  afterEach(() => end(new Error('closed')))

  function say(word: string): void {
    reported.want({ word })
    conversation.reportChanged()
  }

  it('sends another one at once where the document was refused, which asked again would be refused again', async () => {
    refusal = new TwinError('TWIN_REFUSED', 'status 400', { status: 400 })
    const first = once(sent, 'report')
    say('too long')
    await first
    refusal = undefined
    const second = once(sent, 'report')
    say('short')
    await second
    assert.deepEqual(
      reports.map(({ word }) => word),
      ['too long', 'short']
    )
  })

  it('waits where the hub was in trouble, whatever there is to report by then', async () => {
    refusal = new TwinError('TWIN_REFUSED', 'status 500', { status: 500 })
    const first = once(sent, 'report')
    say('one')
    await first
    say('two')
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(
      reports.map(({ word }) => word),
      ['one']
    )
  })
})
