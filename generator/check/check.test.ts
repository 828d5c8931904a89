import assert from 'node:assert/strict'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GeneratorError } from '../errors.ts'
import { SecretStore } from '../secrets/store.ts'
import { FakeAcr, FakeHub, runCommand, siteText, testBackend, type CommandLine } from '../testing.ts'
import type { CheckFinding } from './check.ts'

describe('causeway check', () => {
  let folder: string
  let acr: FakeAcr
  let hub: FakeHub
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-check-'))
    acr = new FakeAcr()
    hub = new FakeHub()
    await writeFile(join(folder, 'site.yaml'), siteText())
    await copyFile(
      join(import.meta.dirname, '../../deployment.template.json'),
      join(folder, 'deployment.template.json')
    )
    assert.equal((await causeway('provision')).code, 0)
    for (const module of ['$edgeAgent', '$edgeHub']) hub.put('gateway', module)
    hub.onApply = () => {
      const { modulesContent } = hub.applied.at(-1)!.content as {
        modulesContent: Record<string, Record<string, Record<string, unknown>>>
      }
      for (const [module, { 'properties.desired': desired = {} }] of Object.entries(modulesContent))
        hub.put('gateway', module, { desired, desiredVersion: 2 })
    }
    assert.equal((await causeway('deploy --no-wait')).code, 0)
  })
  after(() => rm(folder, { recursive: true }))
  beforeEach(() => {
    report('$edgeAgent', agent(2, 200))
    report('connected-registry', module(2, 200))
  })

  const causeway = (words: string): Promise<CommandLine> => runCommand(words.split(' '), { folder, acr, hub })
  const report = (name: string, reported: Record<string, unknown>): void => {
    hub.put('gateway', name, { ...hub.twins.get(`gateway/${name}`), reported })
  }
  const agent = (version: number, code: number): Record<string, unknown> => ({
    lastDesiredVersion: version,
    lastDesiredStatus: { code, description: 'as it says' }
  })
  const module = (version: number, code: number): Record<string, unknown> => ({
    schemaVersion: '1.0',
    runtime: { version: '0.1.0', startedAt: '2026-11-21T00:00:00Z' },
    connectionState: 'Online',
    lastDesiredVersion: version,
    lastDesiredStatus: { code, description: 'so it is', errors: [{ path: 'tokens.a', reason: 'no' }] },
    appliedVersion: version
  })
  const findings = async (): Promise<CheckFinding[]> =>
    (JSON.parse((await causeway('check --output json')).stdout) as { findings: CheckFinding[] }).findings

  it('ends with 0 where everything is as the site file says', async () => {
    const { code, stdout } = await causeway('check')
    assert.deepEqual([code, stdout], [0, 'as the site file says\n'])
  })

  const cases: readonly (readonly [string, () => void, string, RegExp])[] = [
    [
      'settings that somebody changed',
      () => {
        const twin = hub.twins.get('gateway/connected-registry')!
        hub.put('gateway', 'connected-registry', { ...twin, desired: { ...twin.desired, logLevel: 'Debug' } })
      },
      'P206',
      /logLevel: Debug -> Information/
    ],
    ['settings that wait', () => report('connected-registry', module(1, 200)), 'C201', /version 1 .* the hub has 2/],
    ['settings that are refused', () => report('connected-registry', module(2, 400)), 'C202', /tokens\.a: no/],
    ['a module that is silent', () => report('connected-registry', {}), 'C205', /reported nothing/],
    ['a deployment that waits', () => report('$edgeAgent', agent(1, 200)), 'C203', /version 1 of its deployment/],
    ['a deployment that is refused', () => report('$edgeAgent', agent(2, 412)), 'C204', /\(412\): as it says/],
    ['a deployment that fails', () => report('$edgeAgent', agent(2, 500)), 'C204', /says 500 as it says/]
  ]
  for (const [what, change, code, message] of cases)
    it(`finds ${what}, and ends with 2`, async () => {
      const before = new Map(hub.twins)
      change()
      assert.equal((await causeway('check')).code, 2)
      const found = await findings()
      assert.deepEqual(
        found.map((finding) => [finding.code, finding.severity, finding.part]),
        [[code, 'difference', 'device gateway']]
      )
      assert.match(found[0]!.message, message)
      for (const [key, twin] of before) hub.twins.set(key, twin)
    })

  it('reads each twin once, however many checks look at it', async () => {
    const reads: string[] = []
    hub.onRead = (key) => reads.push(key)
    assert.equal((await causeway('check')).code, 0)
    hub.onRead = () => undefined
    assert.deepEqual(reads.sort(), ['gateway/$edgeAgent', 'gateway/$edgeHub', 'gateway/connected-registry'])
  })

  it('warns of passwords that run out, which is no difference', async () => {
    const store = await SecretStore.open(
      await testBackend(join(folder, '.causeway')),
      'mycontainerregistry001.azurecr.io',
      'write'
    )
    const soon = new Date(Date.now() + 10 * 86_400_000 + 60_000).toISOString()
    const record = store.slot('plantgateway-sync-token', 'password1')
    assert.ok(record?.state === 'stored')
    await store.keep('plantgateway-sync-token', 'password1', {
      value: record.value,
      creationTime: record.creationTime,
      expiry: soon
    })
    await store.close()
    const { stdout } = await causeway('check')
    assert.match(
      stdout,
      /^warning C101 plantgateway-sync-token\/password1 expires on .*, in 10 days; make another with causeway rotate plantgateway-sync-token \(/m
    )
    assert.doesNotMatch((await causeway('check --days 5')).stdout, /C101/)
  })

  it('goes on with the next check where one cannot be made, and ends with 1', async () => {
    const scopeMap = acr.scopeMap.bind(acr)
    acr.scopeMap = () => Promise.reject(new GeneratorError('AZURE_FORBIDDEN', 'no role'))
    report('connected-registry', module(1, 200))
    const { code, stdout, stderr } = await causeway('check')
    acr.scopeMap = scopeMap
    assert.equal(code, 1)
    assert.match(stdout, /C201/)
    assert.match(stderr, /error AZURE_FORBIDDEN: no role/)
  })
})
