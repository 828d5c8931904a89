import assert from 'node:assert/strict'
import { differences } from './difference.ts'
import { Fingerprints } from './fingerprints.ts'
import { createdWith, normaliseAgent, normaliseHub } from './normalise.ts'

const fingerprints = new Fingerprints(['a-password-that-is-kept'])

function agent(settings: object, more: object = {}): Record<string, unknown> {
  return {
    schemaVersion: '1.1',
    modules: { m: { type: 'docker', settings: { image: 'x/y:1', ...settings }, ...more } }
  }
}

describe('documents that mean the same', () => {
  const options = { HostConfig: { Binds: ['/a:/b'] }, Env: ['A=1'] }
  const text = JSON.stringify(options)
  const same: readonly (readonly [string, object, object])[] = [
    ['create options as an object and as text', agent({ createOptions: options }), agent({ createOptions: text })],
    [
      'create options in pieces',
      agent({ createOptions: text }),
      agent({ createOptions01: text.slice(20), createOptions: text.slice(0, 20) })
    ],
    [
      'their keys in another order',
      agent({ createOptions: text }),
      agent({ createOptions: JSON.stringify({ Env: ['A=1'], HostConfig: { Binds: ['/a:/b'] } }) })
    ],
    ['no create options, and empty ones', agent({}), agent({ createOptions: '' })],
    ['no create options, and null as text', agent({}), agent({ createOptions: 'null' })],
    ['an image without a tag, and its latest', agent({ image: 'x/y' }), agent({ image: ' x/y:latest ' })],
    [
      'defaults left out, and written',
      agent({}),
      agent(
        {},
        { status: 'running', restartPolicy: 'always', imagePullPolicy: 'on-create', env: {}, startupOrder: 4294967295 }
      )
    ],
    ['what the hub adds', agent({}), agent({}, { configuration: { id: 'plants-1' } })]
  ]
  for (const [what, one, other] of same)
    it(`are the same: ${what}`, () => {
      assert.deepEqual(normaliseAgent(one as never), normaliseAgent(other as never))
    })

  it('are the same: a route as text and as an object', () => {
    assert.deepEqual(
      normaliseHub({ routes: { r: 'FROM /* INTO $upstream' } }),
      normaliseHub({ routes: { r: { route: 'FROM /* INTO $upstream' } } })
    )
  })

  it('keep what differs, create options that are no JSON among it', () => {
    const one = normaliseAgent(agent({ createOptions: '{"a":1' }))
    const other = normaliseAgent(agent({ createOptions: '{"a":2' }))
    assert.deepEqual(
      differences(one, other, fingerprints).map(({ path }) => path),
      ['modules.m.settings.createOptions']
    )
  })

  it('know what a container is created with', () => {
    const module = (more: object): unknown => (normaliseAgent(agent({}, more))['modules'] as { m: unknown }).m
    assert.deepEqual(createdWith(module({})), createdWith(module({ status: 'stopped', startupOrder: 3 })))
    assert.notDeepEqual(createdWith(module({})), createdWith(module({ env: { A: { value: '1' } } })))
  })
})

describe('what is shown of values', () => {
  const shown = (value: unknown, ...path: string[]): unknown => fingerprints.shown(value, path)
  const secrets: readonly (readonly [string, unknown, readonly string[]])[] = [
    ['a password of a credential', 'hunter2', ['registryCredentials', 'acr', 'password']],
    ['a password that is kept, wherever it stands', 'a-password-that-is-kept', ['note']],
    ['an environment variable by its name', 'hunter2', ['env', 'DB_PASSWORD', 'value']],
    ['a token', 'hunter2', ['env', 'API_TOKEN', 'value']],
    ['a hash', '$scrypt$ln=14,r=8,p=1$hunter2$hunter2', ['x']],
    ['a connection string', 'HostName=a;SharedAccessKey=hunter2=', ['env', 'X', 'value']],
    ['a signed address', 'https://x/y?sv=1&sig=hunter2', ['url']],
    ['an address with a login', 'amqp://me:hunter2@broker/x', ['url']],
    ['within lists', ['PASSWORD=hunter2'], ['createOptions', 'Env']]
  ]
  for (const [what, value, path] of secrets)
    it(`hides ${what}`, () => {
      const text = JSON.stringify(shown(value, ...path))
      assert.doesNotMatch(text, /hunter2|a-password-that-is-kept/)
      assert.match(text, /secret:[0-9a-f]{12}/)
    })

  it('leaves the rest readable, around a secret too', () => {
    assert.equal(shown('8000', 'env', 'NGINX_DEFAULT_PORT', 'value'), '8000')
    assert.match(
      String(shown('SyncTokenName=sync-token;SyncTokenPassword=x=;Protocol=https', 'env', 'ACR', 'value')),
      /^SyncTokenName=sync-token;SyncTokenPassword=secret:[0-9a-f]+;Protocol=https$/
    )
  })

  it('tells a secret that changed from one that did not', () => {
    assert.equal(fingerprints.of('a'), new Fingerprints(['a-password-that-is-kept']).of('a'))
    assert.notEqual(fingerprints.of('a'), fingerprints.of('b'))
    // Without the passwords, nobody can try out guesses.
    assert.notEqual(fingerprints.of('a'), new Fingerprints(['another']).of('a'))
  })
})
