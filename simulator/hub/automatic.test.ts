import assert from 'node:assert/strict'
import { TwinStore } from '../twins.ts'
import { deployment, named, startTestHub, type TestHub } from './testing.ts'
import { Throttles } from './throttles.ts'

describe('the hub: automatic deployments', () => {
  let test: TestHub
  beforeEach(async () => {
    test = await startTestHub({ devices: ['a', 'b', 'c'] })
    for (const id of ['a', 'b']) await test.registry().updateTwin(id, { tags: { plant: 'one' } }, '*')
  })
  afterEach(() => test.close())

  const desired = (device: string, module: string): Record<string, unknown> =>
    test.twins.get(TwinStore.key(device, module))?.desired.properties ?? {}
  const modulesOf = (device: string): string[] => Object.keys(desired(device, '$edgeAgent').modules ?? {})
  const version = (device: string): number => test.twins.get(TwinStore.key(device, '$edgeAgent'))!.desired.version
  async function add(
    id: string,
    priority: number,
    content: object,
    targetCondition = "tags.plant='one'"
  ): Promise<void> {
    const { modulesContent } = content as { modulesContent: Record<string, unknown> }
    await test.registry().addConfiguration({
      id,
      schemaVersion: '2.0',
      labels: {},
      content: { modulesContent },
      targetCondition,
      priority,
      metrics: { results: {}, queries: {} }
    })
    await test.hub.automatic.settled()
  }
  const base = (...modules: string[]): object => deployment({}, modules)
  const layer = (sections: Record<string, Record<string, unknown>>): object => ({ modulesContent: sections })

  it('are put on the devices that they target, and on those that come to be', async () => {
    await add('base', 1, base('m'))
    assert.deepEqual(['a', 'b', 'c'].map(modulesOf), [['m'], ['m'], []])
    await test.registry().updateTwin('c', { tags: { plant: 'one' } }, '*')
    await test.hub.automatic.settled()
    assert.deepEqual(modulesOf('c'), ['m'])
    const { responseBody: twin } = await test.registry().getModuleTwin('c', '$edgeAgent')
    assert.deepEqual((twin as unknown as { configurations: unknown }).configurations, { base: { status: 'Applied' } })
  })

  it('leave out what is null, of a layer too', async () => {
    await add('base', 1, deployment({ m: { gone: null, kept: 1, taken: 2 } }))
    await add('layer', 2, layer({ m: { 'properties.desired.taken': null } }))
    assert.deepEqual(desired('a', 'm'), { kept: 1 })
  })

  it('count what they target, what has them, and what its agent makes of it', async () => {
    await add('base', 1, base('m'))
    const report = (device: string, lastDesiredVersion: number, code: number): void => {
      test.twins.patchReported(TwinStore.key(device, '$edgeAgent'), { lastDesiredVersion, lastDesiredStatus: { code } })
    }
    report('a', version('a'), 200)
    report('b', version('b'), 500)
    const counts = async (): Promise<unknown> =>
      (await test.registry().getConfiguration('base')).responseBody.systemMetrics!.results
    assert.deepEqual(await counts(), {
      targetedCount: 2,
      appliedCount: 2,
      reportedSuccessfulCount: 1,
      reportedFailedCount: 1
    })
    // A refused deployment keeps the version before it: neither count tells of it.
    report('b', version('b') - 1, 400)
    assert.deepEqual(await counts(), {
      targetedCount: 2,
      appliedCount: 2,
      reportedSuccessfulCount: 1,
      reportedFailedCount: 0
    })
  })

  it('go by the highest priority, of equal ones by the newest', async () => {
    await add('low', 1, base('low'))
    await add('high', 5, base('high'))
    await add('middle', 3, base('middle'))
    assert.deepEqual(modulesOf('a'), ['high'])
    await new Promise((resolve) => setTimeout(resolve, 5))
    await add('newer', 5, base('newer'))
    assert.deepEqual(modulesOf('a'), ['newer'])
    const { responseBody: twin } = await test.registry().getModuleTwin('a', '$edgeAgent')
    assert.deepEqual((twin as unknown as { configurations: unknown }).configurations, {
      low: { status: 'Targeted' },
      high: { status: 'Targeted' },
      middle: { status: 'Targeted' },
      newer: { status: 'Applied' }
    })
  })

  it('merge layers of a strictly higher priority, the higher one winning whole objects', async () => {
    await add('same', 1, layer({ $edgeAgent: { 'properties.desired.modules.never': { type: 'docker' } } }))
    await add('base', 1, deployment({ m: { a: 1 } }, ['m']))
    await add(
      'first',
      2,
      layer({
        $edgeAgent: { 'properties.desired.modules.extra': { type: 'docker', version: '1', env: {} } },
        $edgeHub: { 'properties.desired.routes.r': 'FROM /* INTO $upstream' },
        m: { 'properties.desired.b.c': { d: 1, e: 1 } }
      })
    )
    await add(
      'second',
      3,
      layer({
        $edgeAgent: { 'properties.desired.modules.extra': { type: 'docker', version: '2' } },
        m: { 'properties.desired.b.c': { d: 2 } }
      })
    )
    assert.deepEqual(modulesOf('a').sort(), ['extra', 'm'])
    assert.deepEqual((desired('a', '$edgeAgent').modules as Record<string, unknown>).extra, {
      type: 'docker',
      version: '2'
    })
    assert.deepEqual(desired('a', '$edgeHub').routes, { r: 'FROM /* INTO $upstream' })
    assert.deepEqual(desired('a', 'm'), { a: 1, b: { c: { d: 2 } } })
    await add('third', 4, layer({ m: { 'properties.desired': { z: 1 } } }))
    assert.deepEqual(desired('a', 'm'), { z: 1 })
  })

  it('set paths of a twin and leave alone what others set there', async () => {
    await add('base', 1, base('m'))
    await test.registry().updateModuleTwin('a', 'm', { properties: { desired: { own: 1, sets: { own: 1 } } } }, '*')
    await add('layer', 2, layer({ m: { 'properties.desired.sets.shared': { x: 1 } } }))
    assert.deepEqual(desired('a', 'm'), { own: 1, sets: { own: 1, shared: { x: 1 } } })
    await test.registry().removeConfiguration('layer')
    await test.hub.automatic.settled()
    assert.deepEqual(desired('a', 'm'), { own: 1, sets: { own: 1 } })
  })

  it('leave their modules when they go, and write the twins of all they targeted again', async () => {
    await add('base', 2, base('m'))
    await add('unused', 1, base('other'))
    const before = version('a')
    await test.registry().removeConfiguration('unused')
    await test.hub.automatic.settled()
    assert.equal(version('a'), before + 1)
    await test.registry().removeConfiguration('base')
    await test.hub.automatic.settled()
    assert.deepEqual(modulesOf('a'), ['m'])
  })

  it('come back over a deployment of the device’s own', async () => {
    await add('base', 1, base('m'))
    const content = base('own') as Parameters<ReturnType<TestHub['registry']>['applyConfigurationContentOnDevice']>[1]
    const before = version('a')
    await test.registry().applyConfigurationContentOnDevice('a', content)
    await test.hub.automatic.settled()
    assert.deepEqual([modulesOf('a'), version('a')], [['m'], before + 2])
  })

  it('stay targeted where they do not fit', async () => {
    const large = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`k${index}`, 'x'.repeat(4000)]))
    await add('base', 1, deployment({ m: large }))
    assert.deepEqual(modulesOf('a'), [])
    const { responseBody } = await test.registry().getConfiguration('base')
    assert.equal(responseBody.systemMetrics!.results!.appliedCount, 0)
  })
})

describe('the hub: throttles', () => {
  let test: TestHub
  beforeEach(async () => {
    test = await startTestHub()
  })
  afterEach(() => test.close())

  it('allow twenty configuration calls and twenty queries a minute', async () => {
    await test.close()
    // On a clock that stands still: none comes back while the twenty are made.
    test = await startTestHub({ now: () => 0 })
    for (let call = 0; call < 20; call++) await test.registry().getConfigurations()
    await assert.rejects(test.registry().getConfigurations(), named('ThrottlingError'))
    for (let call = 0; call < 20; call++) await test.registry().createQuery('SELECT * FROM devices').nextAsTwin()
    await assert.rejects(test.registry().createQuery('SELECT * FROM devices').nextAsTwin(), named('ThrottlingError'))
    await test.registry().getTwin('gateway')
  })

  it('let calls through again as time goes by, more on a larger hub', () => {
    let now = 0
    const hub = new Throttles(2, () => now)
    const call = (): void => {
      hub.take('GET', ['configurations'])
    }
    for (let calls = 0; calls < 40; calls++) call()
    assert.throws(call, { code: 'ThrottlingBacklogTimeout' })
    now = 1500
    call()
    assert.throws(call)
  })
})
