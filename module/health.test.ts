import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { answerHealth } from './health.ts'
import { portOf } from './registry/world.test.ts'
import { createStatus, type Status } from './status/status.ts'

describe('/healthz and /readyz', () => {
  let status: Status
  let server: Server

  beforeEach(async () => {
    status = createStatus({ version: '1.2.3', startedAt: new Date() })
    const answer = answerHealth(status)
    server = createServer((request, response) => void answer(request, response, 'a-request-id')).listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  it('tell whoever asks which faults there are, and nothing that a parent or the settings have words or names for', async () => {
    const message = 'the parent refuses sync-token, of password pa55word, alice/app:1.0 and bob/app@sha256:12'
    status.observe({ kind: 'parent', answers: false, code: 'PARENT_DENIED', message })
    status.setFault('SettingsInvalid', 'imageSets.alice: refused')
    for (const path of ['/healthz', '/readyz']) {
      const answer = await fetch(`http://127.0.0.1:${portOf(server)}${path}`)
      const text = await answer.text()
      assert.deepEqual(JSON.parse(text).faults, [{ code: 'ParentDenied' }, { code: 'SettingsInvalid' }])
      assert.doesNotMatch(text, /alice|bob|sync-token|pa55word|sha256/)
    }
  })
})
