import assert from 'node:assert/strict'
import { coversNotification, parseNotificationPattern, type Notifiable } from './notification-pattern.ts'

const digest = `sha256:${'a'.repeat(64)}`
const other = `sha256:${'b'.repeat(64)}`

describe('notification patterns', () => {
  const pushed: Notifiable = { action: 'push', repository: 'samples/app', tag: '1.0', digest }
  const untagged: Notifiable = { action: 'push', repository: 'samples/app', digest }
  const deleted: Notifiable = { action: 'delete', repository: 'samples/app', tag: '1.0', digest }

  const cases: readonly [pattern: string, pushed: boolean, untagged: boolean, deleted: boolean][] = [
    ['*:*', true, true, true],
    ['*:*:*', true, false, true],
    ['*@*:*', true, true, true],
    ['*:push', true, true, false],
    ['*:delete', false, false, true],
    ['samples/app:*', true, true, true],
    ['samples/app:1.0:*', true, false, true],
    ['samples/app:1.0:push', true, false, false],
    ['samples/app:2.0:*', false, false, false],
    ['samples/*:push', true, true, false],
    ['samples/*:1.0:*', true, false, true],
    ['samples:*', false, false, false],
    ['sample/*:*', false, false, false],
    [`samples/app@${digest}:delete`, false, false, true],
    [`samples/app@${other}:*`, false, false, false],
    [`samples/app:1.0@${digest}:push`, true, false, false]
  ]
  for (const [text, ...expected] of cases)
    it(`${text} covers what Microsoft says it does`, () => {
      const pattern = parseNotificationPattern(text)
      assert.ok(pattern !== undefined)
      assert.deepEqual(
        [pushed, untagged, deleted].map((happened) => coversNotification(pattern, happened)),
        expected
      )
    })

  for (const text of [
    '',
    'hello-world',
    '*',
    'hello-world:*:pull',
    'Hello:*',
    'a/*/b:*',
    'team*:*',
    'app:b@d:*',
    'app:1.*:push',
    'app@sha256:abc:push',
    'app:1:2:push',
    ':push',
    '*/*:push'
  ])
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseNotificationPattern(text), undefined))
})
