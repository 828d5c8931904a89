import assert from 'node:assert/strict'
import { redactor } from './redact.ts'

const redact = (text: string, secrets: readonly string[] = []): string => redactor(secrets)(text)

describe('redact', () => {
  const secret = 'q7/Zk+9xT0aB3cD4eF5g='
  const cases: readonly [string, string][] = [
    ['an authorization header', `authorization: Bearer ${secret}`],
    ['Basic credentials', `authorization="Basic ${secret}"`],
    ['a connection string', `ConnectedRegistryName=edge1;SyncTokenPassword=${secret};ParentEndpointProtocol=https`],
    ['a hub connection string', `HostName=h.azure-devices.net;SharedAccessKey=${secret}`],
    ['a signature', `SharedAccessSignature sr=h%2Fdevices&sig=${secret}&se=1`],
    ['a signed URL', `https://blobs.example/layer?se=1&sig=${secret}`],
    ['JSON', JSON.stringify({ password: secret, name: 'x' })],
    ['JSON within JSON', JSON.stringify({ answer: JSON.stringify({ password: secret, name: 'x' }) })],
    ['a proxy with a user', `http://user:${secret.replace('/', '')}@proxy.example:3128`],
    ['a token in a query', `https://hooks.example/in?code=${secret}`]
  ]
  for (const [what, text] of cases)
    it(`hides ${what}`, () => {
      const shown = redact(text)
      assert.ok(!shown.includes('9xT0aB3cD4'), shown)
      assert.match(shown, /\[hidden\]/)
    })

  it('hides a bare token, and the secrets that it is told', () => {
    assert.equal(redact('got eyJhbGciOiJ9.eyJzdWIiOiJ4In0.c2ln and left'), 'got [hidden] and left')
    assert.equal(redact('the parent said: no such password, plain-Pa55', ['plain-Pa55']).includes('plain-Pa55'), false)
  })

  it('hides a secret also as JSON and URLs have it', () => {
    const odd = 'a "quoted" pass&word'
    for (const text of [odd, JSON.stringify({ it: odd }), `https://a.example/?it=${encodeURIComponent(odd)}`])
      assert.doesNotMatch(redact(text, [odd]), /quoted/)
  })

  it('hides the whole of a secret that another one begins', () => {
    const secrets = ['plain-Pa55', 'plain-Pa55-and-more']
    for (const told of [secrets, secrets.toReversed()])
      assert.equal(redact('it was plain-Pa55-and-more', told), 'it was [hidden]')
  })

  it('leaves what is no secret as it is', () => {
    const line =
      '<4> 2026-11-21 10:00:00.000 +00:00 [WRN] sync stopped code=PARENT_UNREACHABLE reason="no route to myreg.azurecr.io" key=a tokenName=edge1'
    assert.equal(redact(line, ['']), line)
    assert.equal(redact('image=app:1 digest=sha256:abc', ['app']), 'image=app:1 digest=sha256:abc')
  })
})
