import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import type { SettingsInput } from './document.ts'
import { hasSettings, readSettings } from './validate.ts'

const hash = `$scrypt$ln=14,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
const good: SettingsInput = {
  schemaVersion: '1.0',
  imageSets: { workloads: { repositories: ['hello-world', 'app:1.*'] } },
  scopeMaps: { readers: { actions: ['repositories/hello-world/content/read'] } },
  tokens: { reader: { scopeMap: 'readers', passwords: { password1: { hash } } } }
}

const pem = {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
} as const
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256', ...pem })
const exchangeKey = generateKeyPairSync('x25519', pem).publicKey

describe('readSettings', () => {
  it('fills in defaults', () => {
    const reading = readSettings(good)
    assert.ok(reading.ok)
    assert.equal(reading.settings.mode, 'ReadOnly')
    assert.equal(reading.settings.sync.intervalMinutes, 15)
    assert.equal(reading.settings.tokens['reader']?.status, 'enabled')
    assert.deepEqual(reading.warnings, [])
  })

  it('leaves out what it does not know, at any depth, and says so', () => {
    const document = {
      ...good,
      novelty: 1,
      imageSets: { workloads: { repositories: ['hello-world', { repository: 'app', shape: 'round' }], colour: 'blue' } }
    }
    const reading = readSettings(document)
    assert.ok(reading.ok)
    assert.deepEqual(reading.warnings.map((warning) => warning.path).sort(), [
      'imageSets.workloads.colour',
      'imageSets.workloads.repositories.1.shape',
      'novelty'
    ])
    assert.equal(document.imageSets.workloads.colour, 'blue', 'the document given is not touched')
  })

  it('takes a schedule with its window, ceilings by the hour, budgets, and entries in the long form', () => {
    const reading = readSettings({
      ...good,
      imageSets: {
        a: {
          repositories: ['b', { repository: 'app', tags: ['v*'], semver: '>=1.2 <2', newest: 3 }],
          platforms: ['linux/arm64', 'linux/arm/v7'],
          referrers: false,
          deletions: 'mirror'
        }
      },
      sync: {
        schedule: '0 12 * * *',
        window: 'PT4H',
        pacing: { bytesPerSecond: 100_000, hours: [{ from: '22:00', to: '06:00', bytesPerSecond: 1_000_000 }] },
        budget: { bytesPerDay: 10_000_000, bytesPerMonth: 100_000_000 },
        cleanUp: true
      }
    })
    assert.ok(reading.ok, JSON.stringify(reading))
    assert.deepEqual(reading.warnings, [])
    assert.ok(readSettings({ ...good, sync: { schedule: '* * * * *' } }).ok, 'always open needs no window')
  })

  for (const [what, change, path] of [
    ['another major version', { schemaVersion: '2.0' }, 'schemaVersion'],
    ['no version', { schemaVersion: undefined }, 'schemaVersion'],
    ['a bad action', { scopeMaps: { readers: { actions: ['repositories/x/push'] } } }, 'scopeMaps.readers.actions.0'],
    ['a repository with a capital', { imageSets: { a: { repositories: ['Hello'] } } }, 'imageSets.a.repositories.0'],
    ['a token without a scope map', { scopeMaps: {} }, 'tokens.reader.scopeMap'],
    [
      'a plain password in place of a hash',
      { tokens: { reader: { scopeMap: 'readers', passwords: { password1: { hash: 'hunter2' } } } } },
      'tokens.reader.passwords.password1.hash'
    ],
    [
      'a token without a password',
      { tokens: { reader: { scopeMap: 'readers', passwords: {} } } },
      'tokens.reader.passwords'
    ],
    ['a name with a dot', { imageSets: { 'a.b': { repositories: ['x'] } } }, 'imageSets.a.b'],
    ...['host:99999', 'https://host', 'user@host', 'a b'].map(
      (endpoint) =>
        ['a parent at ' + endpoint, { parent: { endpoint, tokenName: 't', password: 'p' } }, 'parent.endpoint'] as const
    ),
    ['a schedule of six fields', { storage: { scrub: { schedule: '0 0 5 * * *' } } }, 'storage.scrub.schedule'],
    [
      'a schedule that never comes',
      { storage: { garbageCollection: { schedule: '0 0 31 2 *' } } },
      'storage.garbageCollection.schedule'
    ],
    [
      'anonymous pull by no scope map',
      { anonymousPull: { enabled: true, scopeMap: 'nobody' } },
      'anonymousPull.scopeMap'
    ],
    ['a time to live that is too short', { sync: { messageTtl: 'PT23H' } }, 'sync.messageTtl'],
    ['a time to live that is too long', { sync: { messageTtl: 'P91D' } }, 'sync.messageTtl'],
    ['a schedule without a window', { sync: { schedule: '0 12 * * *' } }, 'sync.window'],
    ...['PT30M', 'P8D', '4 hours', 'P1M'].map(
      (window) => ['a window of ' + window, { sync: { schedule: '0 12 * * *', window } }, 'sync.window'] as const
    ),
    [
      'a ceiling for no time at all',
      { sync: { pacing: { hours: [{ from: '06:00', to: '06:00', bytesPerSecond: 5000 }] } } },
      'sync.pacing.hours.0.to'
    ],
    [
      'a ceiling at a time that is none',
      { sync: { pacing: { hours: [{ from: '24:00', to: '06:00', bytesPerSecond: 5000 }] } } },
      'sync.pacing.hours.0.from'
    ],
    ['a ceiling of nothing', { sync: { pacing: { bytesPerSecond: 0 } } }, 'sync.pacing.bytesPerSecond'],
    ['a budget of nothing', { sync: { budget: { bytesPerDay: 0 } } }, 'sync.budget.bytesPerDay'],
    [
      'a range that is none',
      { imageSets: { a: { repositories: [{ repository: 'app', semver: 'one' }] } } },
      'imageSets.a.repositories.0.semver'
    ],
    [
      'an entry without a repository',
      { imageSets: { a: { repositories: [{ newest: 2 }] } } },
      'imageSets.a.repositories.0.repository'
    ],
    ['an entry that is a number', { imageSets: { a: { repositories: [7] } } }, 'imageSets.a.repositories.0'],
    [
      'a platform without an architecture',
      { imageSets: { a: { repositories: ['app'], platforms: ['linux'] } } },
      'imageSets.a.platforms.0'
    ],
    [
      'a rule for deletions that is none',
      { imageSets: { a: { repositories: ['app'], deletions: 'sometimes' } } },
      'imageSets.a.deletions'
    ],
    [
      'a public key that is none',
      { imageSets: { a: { repositories: ['app'], signature: { cosign: { publicKeys: ['hunter2'] } } } } },
      'imageSets.a.signature.cosign.publicKeys.0'
    ],
    [
      'a private key',
      {
        imageSets: {
          a: { repositories: ['app'], signature: { cosign: { publicKeys: [keys.publicKey, keys.privateKey] } } }
        }
      },
      'imageSets.a.signature.cosign.publicKeys.1'
    ],
    [
      'a key that signs nothing',
      { imageSets: { a: { repositories: ['app'], signature: { cosign: { publicKeys: [exchangeKey] } } } } },
      'imageSets.a.signature.cosign.publicKeys.0'
    ],
    [
      'a demand for signatures that are not to come',
      {
        imageSets: {
          a: { repositories: ['app'], referrers: false, signature: { cosign: { publicKeys: [keys.publicKey] } } }
        }
      },
      'imageSets.a.referrers'
    ],
    ['a notification of no kind', { notifications: ['hello-world:*:pull'] }, 'notifications.0'],
    ['a webhook in the clear', { notificationsWebhook: 'http://hunter2.example/' }, 'notificationsWebhook'],
    ['a webhook that is no address', { notificationsWebhook: 'hunter2' }, 'notificationsWebhook'],
    ['a day without a word', { status: { updatesPerDay: 0 } }, 'status.updatesPerDay'],
    ['an interval of nothing', { sync: { intervalMinutes: 0 } }, 'sync.intervalMinutes'],
    ['a mode of its own', { mode: 'readonly' }, 'mode']
  ] as const)
    it(`refuses ${what}, with path and reason and without the value`, () => {
      const reading = readSettings({ ...good, ...change, extra: true })
      assert.ok(!reading.ok)
      assert.deepEqual(
        reading.errors.map((error) => error.path),
        [path]
      )
      assert.ok(reading.errors.every((error) => error.reason !== '' && !error.reason.includes('hunter2')))
    })

  it('takes keys by which images must be signed', () => {
    const signature = { cosign: { publicKeys: [keys.publicKey] } }
    const reading = readSettings({ ...good, imageSets: { a: { repositories: ['app'], signature } } })
    assert.ok(reading.ok)
    assert.deepEqual(reading.settings.imageSets['a']?.signature, signature)
  })

  it('knows how often to report and whom to notify', () => {
    const reading = readSettings({
      ...good,
      notifications: ['*:*', 'samples/*:1.0:push'],
      notificationsWebhook: 'https://hooks.example/in?code=x'
    })
    assert.ok(reading.ok)
    assert.deepEqual(reading.settings.notifications, ['*:*', 'samples/*:1.0:push'])
    assert.deepEqual(reading.settings.status, { progressSeconds: 900, updatesPerDay: 200 })
  })

  for (const nothing of [null, [], 'text', 7])
    it(`refuses ${JSON.stringify(nothing)}`, () => assert.equal(readSettings(nothing).ok, false))

  it('knows a fresh twin from settings', () => {
    assert.equal(hasSettings({}), false)
    assert.equal(hasSettings({ otherTool: 1 }), false)
    assert.equal(hasSettings({ schemaVersion: '1.0' }), true)
  })
})
