import assert from 'node:assert/strict'
import type { DeploymentManifest } from '../deployment/generate.ts'
import type { GeneratorError } from '../errors.ts'
import { FakeHub } from '../testing.ts'
import { deploy, waitForDeployment, type DeploymentState } from './deploy.ts'

const manifest: DeploymentManifest = {
  modulesContent: {
    $edgeAgent: {
      'properties.desired': {
        systemModules: { edgeAgent: {}, edgeHub: { status: 'running' } },
        modules: { 'connected-registry': { status: 'running' }, asleep: { status: 'stopped' } }
      }
    }
  }
}
const patience = { signal: new AbortController().signal, interval: 1, timeout: 50 }
const running = { runtimeStatus: 'running' }

function agentReport(code: number, registry: object = running, version = 5): Record<string, unknown> {
  return {
    lastDesiredVersion: version,
    lastDesiredStatus: { code, description: 'as edgeAgent says' },
    systemModules: { edgeAgent: running, edgeHub: running },
    modules: { 'connected-registry': registry }
  }
}

describe('deploying to a device', () => {
  let hub: FakeHub
  const wait = (tell: (state: DeploymentState) => void = () => undefined, timeout = 50): Promise<void> =>
    waitForDeployment(hub, 'gateway', manifest, 5, { ...patience, timeout }, tell)
  beforeEach(() => {
    hub = new FakeHub()
  })

  it('gives the whole manifest, and tells the version it became', async () => {
    hub.put('gateway', '$edgeAgent', { desiredVersion: 4 })
    hub.onApply = () => {
      hub.put('gateway', '$edgeAgent', { desiredVersion: 5 })
    }
    assert.equal(await deploy(hub, 'gateway', manifest, false), 5)
    assert.deepEqual(hub.applied, [{ deviceId: 'gateway', content: manifest }])
  })

  it('does not take modules away unasked', async () => {
    hub.put('gateway', '$edgeAgent', { desired: { modules: { 'connected-registry': {}, camera: {} } } })
    await assert.rejects(
      deploy(hub, 'gateway', manifest, false),
      (error: GeneratorError) => error.code === 'MODULES_WOULD_GO' && error.message.includes('would lose camera,')
    )
    assert.deepEqual(hub.applied, [])
    await deploy(hub, 'gateway', manifest, true)
    assert.equal(hub.applied.length, 1)
  })

  it('says so where the hub has no such device', async () => {
    await assert.rejects(deploy(hub, 'gateway', manifest, false), { code: 'DEVICE_UNKNOWN' })
  })

  it('waits for every module that is to run, and for no other', async () => {
    const answers = [
      agentReport(200, running, 4),
      agentReport(500, { runtimeStatus: 'backoff' }),
      agentReport(200, { runtimeStatus: 'backoff' }),
      agentReport(200)
    ]
    hub.onRead = () => {
      hub.put('gateway', '$edgeAgent', { reported: answers.shift() ?? {} })
    }
    const told: DeploymentState[] = []
    await wait((state) => told.push(state), 5000)
    assert.deepEqual(told[0], { running: ['edgeAgent', 'edgeHub'], waiting: ['connected-registry is backoff'] })
    assert.deepEqual(told.at(-1), { running: ['edgeAgent', 'edgeHub', 'connected-registry'], waiting: [] })
  })

  for (const code of [400, 412, 417])
    it(`ends at once where edgeAgent refuses with ${code}`, async () => {
      hub.put('gateway', '$edgeAgent', { reported: agentReport(code) })
      await assert.rejects(wait(undefined, 600_000), (error: GeneratorError) => {
        return error.code === 'DEPLOYMENT_REFUSED' && error.message.includes(`(${code}): as edgeAgent says`)
      })
    })

  it('knows a refusal by its time: edgeAgent keeps the version of what it last took', async () => {
    const refused = { reported: agentReport(412, running, 4), desiredAt: '2026-11-21T10:00:00.5Z' }
    hub.put('gateway', '$edgeAgent', { ...refused, reportedTimes: { lastDesiredStatus: '2026-11-21T10:00:01Z' } })
    await assert.rejects(wait(undefined, 600_000), { code: 'DEPLOYMENT_REFUSED' })
    hub.put('gateway', '$edgeAgent', { ...refused, reportedTimes: { lastDesiredStatus: '2026-11-21T09:00:00Z' } })
    await assert.rejects(wait(), (error: GeneratorError) => {
      return error.code === 'TIMED_OUT' && error.message.includes('still says 412 as edgeAgent says')
    })
  })

  it('tells what is missing when time is up', async () => {
    hub.put('gateway', '$edgeAgent', { reported: agentReport(500, { runtimeStatus: 'backoff' }) })
    await assert.rejects(wait(), (error: GeneratorError) => {
      assert.equal(error.code, 'TIMED_OUT')
      return /edgeAgent says 500 as edgeAgent says; connected-registry is backoff/.test(error.message)
    })
    hub.put('gateway', '$edgeAgent')
    await assert.rejects(wait(), /is the device online\?/)
  })
})
