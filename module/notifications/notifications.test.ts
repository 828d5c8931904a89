import assert from 'node:assert/strict'
import { EventEmitter, on, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineLog } from '../log/log.ts'
import type { ContentNews, RegistryEvent } from './event.ts'
import { Notifications, type NotificationsOptions } from './notifications.ts'

const digest = `sha256:${'a'.repeat(64)}`

describe('notifications', () => {
  let folder: string
  let online: boolean
  let hub: RegistryEvent[]
  let posts: { readonly url: string; readonly events: readonly RegistryEvent[] }[]
  let refusal: Error | undefined
  const heard = new EventEmitter<{ hub: []; post: []; tried: [] }>()
  const running: Notifications[] = []

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-notifications-'))
    online = true
    hub = []
    posts = []
    refusal = undefined
  })

  afterEach(async () => {
    for (const notifications of running.splice(0)) await notifications.close()
    await rm(folder, { recursive: true, force: true })
  })

  const start = async (options: Partial<NotificationsOptions> = {}): Promise<Notifications> => {
    const notifications = await Notifications.open({
      folder,
      teller: { connectedRegistry: 'edge1', version: '0.1.0' },
      log: new LineLog(() => undefined),
      sendToHub: (event) => {
        heard.emit('tried')
        if (!online) return Promise.reject(new Error('there is no connection with edgeHub now'))
        hub.push(event)
        heard.emit('hub')
        return Promise.resolve()
      },
      post: (url, events) => {
        heard.emit('tried')
        if (refusal !== undefined) return Promise.reject(refusal)
        posts.push({ url: url.href, events })
        heard.emit('post')
        return Promise.resolve()
      },
      now: () => new Date('2026-11-21T10:00:00Z'),
      waits: { firstMs: 1, mostMs: 5 },
      ...options
    })
    running.push(notifications)
    return notifications
  }
  const pushed = (tag: string): ContentNews => ({
    action: 'push',
    repository: 'samples/app',
    tag,
    digest,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    size: 300
  })
  /** Waits until so many events have come. */
  const until = async (kind: 'hub' | 'post', count: () => number, wanted: number): Promise<void> => {
    if (count() >= wanted) return
    for await (const _ of on(heard, kind)) if (count() >= wanted) return
  }

  it('go to the hub, shaped like those of ACR', async () => {
    const notifications = await start()
    notifications.configure({ patterns: ['samples/*:*:push'], webhook: undefined })
    notifications.tell([pushed('1.0'), { ...pushed('1.0'), action: 'delete' }, { ...pushed('x'), repository: 'other' }])
    await until('hub', () => hub.length, 1)
    const [event] = hub
    assert.equal(event?.eventType, 'Microsoft.ContainerRegistry.ImagePushed')
    assert.equal(event.subject, 'samples/app:1.0')
    assert.equal(event.eventTime, '2026-11-21T10:00:00.000Z')
    assert.deepEqual(event.data.target, {
      mediaType: 'application/vnd.oci.image.index.v1+json',
      size: 300,
      length: 300,
      digest,
      repository: 'samples/app',
      tag: '1.0'
    })
    assert.deepEqual(event.data.connectedRegistry, { name: 'edge1' })
    assert.deepEqual([event.data.action, event.data.request.method], ['push', 'PUT'])
    assert.match(event.id, /^[0-9a-f-]{36}$/)
    assert.equal(hub.length, 1, 'what no pattern covers is not told')
  })

  it('wait while there is no connection, over a restart, and come in order when there is one', async () => {
    online = false
    const first = await start()
    first.configure({ patterns: ['*:*'], webhook: undefined })
    const tried = once(heard, 'tried')
    first.tell([pushed('1'), pushed('2')])
    await tried
    await first.close()
    const second = await start({ waits: { firstMs: 3_600_000, mostMs: 3_600_000 } })
    const triedAgain = once(heard, 'tried')
    second.configure({ patterns: ['*:*'], webhook: undefined })
    await triedAgain
    second.tell([pushed('3')])
    assert.deepEqual([...second.waiting()], [['hub', 3]])
    online = true
    second.hubIsBack()
    await until('hub', () => hub.length, 3)
    assert.deepEqual(
      hub.map(({ data }) => data.target.tag),
      ['1', '2', '3']
    )
    await second.close()
    assert.deepEqual([...second.waiting()], [['hub', 0]])
  })

  it('go to a webhook in one array, again until it takes them, and do not hold up the hub', async () => {
    refusal = new Error('503')
    const notifications = await start()
    notifications.configure({ patterns: ['*:*'], webhook: 'https://hooks.example/in?code=x' })
    notifications.tell([pushed('1'), pushed('2')])
    await until('hub', () => hub.length, 2)
    refusal = undefined
    await until('post', () => posts.length, 1)
    assert.equal(posts[0]?.url, 'https://hooks.example/in?code=x')
    assert.deepEqual(
      posts[0].events.map(({ data }) => data.target.tag),
      ['1', '2']
    )
    assert.deepEqual(
      hub.map(({ id }) => id),
      posts[0].events.map(({ id }) => id),
      'the same events'
    )
  })

  it('go to the new address of a webhook, those included that wait', async () => {
    refusal = new Error('gone')
    const notifications = await start({ sendToHub: undefined })
    notifications.configure({ patterns: ['*:*'], webhook: 'https://old.example/' })
    const tried = once(heard, 'tried')
    notifications.tell([pushed('1')])
    await tried
    refusal = undefined
    notifications.configure({ patterns: ['*:*'], webhook: 'https://new.example/' })
    await until('post', () => posts.length, 1)
    assert.deepEqual(
      posts.map(({ url, events }) => [url, events.length]),
      [['https://new.example/', 1]]
    )
  })

  it('are not wanted without a pattern, or without anybody to tell', async () => {
    const notifications = await start({ sendToHub: undefined })
    notifications.configure({ patterns: ['*:*'], webhook: undefined })
    assert.equal(notifications.isWanted, false)
    notifications.configure({ patterns: [], webhook: 'https://hooks.example/' })
    assert.equal(notifications.isWanted, false)
    notifications.tell([pushed('1')])
    notifications.configure({ patterns: ['*:*'], webhook: 'https://hooks.example/' })
    assert.equal(notifications.isWanted, true)
    assert.deepEqual([...notifications.waiting()], [['webhook', 0]])
  })
})
