import assert from 'node:assert/strict'
import { deployment, named, startTestHub, type TestHub } from './testing.ts'

describe('the hub: deployments at scale', () => {
  let test: TestHub

  beforeEach(async () => {
    test = await startTestHub()
  })

  afterEach(() => test.close())

  const configuration = {
    id: 'plant-1',
    schemaVersion: '2.0',
    labels: { tool: 'causeway' },
    content: deployment({ m: { a: 1 } }),
    targetCondition: "tags.plant='one' AND NOT deviceId='x'",
    priority: 10,
    metrics: { queries: { ready: 'select deviceId from devices where properties.reported.ready = true' } }
  }

  it('stores, reads, lists, changes and deletes', async () => {
    const registry = test.registry()
    await registry.addConfiguration(configuration)
    const { responseBody: stored } = await registry.getConfiguration('plant-1')
    const { etag, createdTimeUtc, lastUpdatedTimeUtc, systemMetrics, metrics, ...rest } = stored
    const { metrics: sent, ...given } = configuration
    assert.deepEqual(rest, given)
    assert.deepEqual(metrics, { ...sent, results: { ready: 0 } })
    assert.deepEqual(systemMetrics!.results, {
      targetedCount: 0,
      appliedCount: 0,
      reportedSuccessfulCount: 0,
      reportedFailedCount: 0
    })
    assert.equal(createdTimeUtc, lastUpdatedTimeUtc)
    const { responseBody: changed } = await registry.updateConfiguration({ ...stored, priority: 11 })
    assert.equal(changed.priority, 11)
    assert.notEqual(changed.etag, etag)
    await assert.rejects(registry.updateConfiguration({ ...stored, priority: 12 }), named('InvalidEtagError'))
    await registry.updateConfiguration({ ...stored, priority: 13 }, true)
    assert.deepEqual(
      (await registry.getConfigurations()).responseBody.map(({ priority }) => priority),
      [13]
    )
    await registry.removeConfiguration('plant-1')
    await assert.rejects(registry.getConfiguration('plant-1'), /Not found/)
  })

  it('never changes content, and never overwrites by adding', async () => {
    const registry = test.registry()
    await registry.addConfiguration(configuration)
    await assert.rejects(registry.addConfiguration(configuration), named('DeviceAlreadyExistsError'))
    const other = { ...configuration, content: deployment({ m: { a: 2 } }) }
    await assert.rejects(registry.updateConfiguration(other, true), /cannot be changed/)
    assert.deepEqual((await registry.getConfiguration('plant-1')).responseBody.content, configuration.content)
    await assert.rejects(registry.updateConfiguration({ ...configuration, id: 'absent' }, true), /Not found/)
  })

  it('takes a layer', async () => {
    const content = {
      modulesContent: {
        $edgeAgent: { 'properties.desired.modules.m': { type: 'docker' } },
        m: { 'properties.desired.imageSets.extra': { repositories: ['a'] } }
      }
    }
    await test.registry().addConfiguration({ ...configuration, id: 'layer', content })
    assert.deepEqual((await test.registry().getConfiguration('layer')).responseBody.content, content)
  })

  const refused: readonly (readonly [string, object])[] = [
    ['upper case in the id', { id: 'Plant' }],
    ['a label with a dollar', { labels: { a: '$' } }],
    ['no target condition', { targetCondition: '' }],
    ['double quotes', { targetCondition: 'tags.plant="one"' }],
    ['a negative priority', { priority: -1 }],
    [
      'six metrics',
      { metrics: { queries: Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [name, 'q'])) } }
    ],
    ['no content', { content: {} }],
    ['a section outside of properties.desired', { content: { modulesContent: { m: { tags: {} } } } }],
    ['a string that is too long', { content: { modulesContent: { m: { 'properties.desired.a': 'x'.repeat(4097) } } } }]
  ]
  for (const [what, change] of refused)
    it(`refuses ${what}`, async () => {
      await assert.rejects(test.registry().addConfiguration({ ...configuration, ...change }), named('ArgumentError'))
      assert.deepEqual(test.hub.configurations.list(), [])
    })

  it('holds a hundred', async () => {
    for (let index = 0; index < 100; index++)
      test.hub.configurations.put(`c${index}`, { ...configuration, id: `c${index}`, targetCondition: '*' }, undefined)
    await assert.rejects(test.registry().addConfiguration(configuration), named('TooManyDevicesError'))
  })
})
