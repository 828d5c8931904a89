import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { credentialFor, parseImage } from './image-name.ts'
import { pullImage, PullError, type Answer } from './pull.ts'

const digestOf = (bytes: string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

const config = JSON.stringify({ config: { Labels: { 'org.opencontainers.image.title': 'x' } } })
const manifest = JSON.stringify({ schemaVersion: 2, config: { digest: digestOf(config) } })

/** A registry that is a table: `host/path` → what it answers. */
function pull(
  answers: Readonly<Record<string, Partial<Answer> & { readonly text?: string }>>,
  image = 'registry.example/a/b:1'
): { readonly asked: string[]; readonly result: ReturnType<typeof pullImage> } {
  const asked: string[] = []
  const credential = { address: 'registry.example', username: 'puller', password: 'secret' }
  const result = pullImage({
    image,
    credential,
    signal: new AbortController().signal,
    fetch: (url, headers) => {
      asked.push(`${url.host}${url.pathname} ${headers['authorization'] ?? '-'}`)
      const {
        status = 200,
        headers: answered = {},
        text = ''
      } = answers[`${url.host}${url.pathname}`] ?? { status: 404 }
      return Promise.resolve({ status, headers: answered, body: Buffer.from(text) })
    }
  })
  return { asked, result }
}

const good = {
  'registry.example/v2/': { text: '{}' },
  'registry.example/v2/a/b/manifests/1': { text: manifest },
  [`registry.example/v2/a/b/blobs/${digestOf(config)}`]: { text: config }
}

describe('pulls of a pretend device', () => {
  it('send no credential where none is asked for', async () => {
    const { asked, result } = pull(good)
    assert.deepEqual((await result).labels, { 'org.opencontainers.image.title': 'x' })
    assert.ok(asked.every((request) => request.endsWith(' -')))
  })

  it('send Basic on every request where the registry asks for Basic', async () => {
    const challenge = { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }
    const { asked, result } = pull({ ...good, 'registry.example/v2/': challenge })
    await result
    const basic = `Basic ${Buffer.from('puller:secret').toString('base64')}`
    assert.deepEqual(
      asked.slice(1).map((request) => request.includes(basic)),
      [true, true]
    )
  })

  const broken: readonly [string, Parameters<typeof pull>, RegExp][] = [
    [
      'other bytes than a blob’s digest',
      [{ ...good, [`registry.example/v2/a/b/blobs/${digestOf(config)}`]: { text: '{}' } }],
      /other bytes than sha256/
    ],
    [
      'other bytes than the digest of the image',
      [
        { ...good, [`registry.example/v2/a/b/manifests/${digestOf('x')}`]: { text: manifest } },
        `registry.example/a/b@${digestOf('x')}`
      ],
      /other bytes than sha256/
    ],
    ['a manifest that is no JSON', [{ ...good, 'registry.example/v2/a/b/manifests/1': { text: '<' } }], /JSON/],
    ['a manifest without a config', [{ ...good, 'registry.example/v2/a/b/manifests/1': { text: '{}' } }], /no config/],
    [
      'a token endpoint that is none',
      [{ 'registry.example/v2/': { status: 401, headers: { 'www-authenticate': 'Bearer realm="/token"' } } }],
      /no token endpoint/
    ],
    [
      'redirects without end',
      [{ ...good, 'registry.example/v2/a/b/manifests/1': { status: 307, headers: { location: '1' } } }],
      /redirects without end/
    ],
    [
      'an index without this platform',
      [
        {
          ...good,
          'registry.example/v2/a/b/manifests/1': {
            text: '{"manifests":[{"digest":"d","platform":{"os":"plan9","architecture":"mips"}}]}',
            headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' }
          }
        }
      ],
      /no matching manifest for linux/
    ]
  ]
  for (const [name, parameters, message] of broken)
    it(`fail for ${name}`, async () => {
      await assert.rejects(pull(...parameters).result, (error: unknown) => {
        assert.ok(error instanceof PullError)
        assert.match(error.message, message)
        return true
      })
    })
})

describe('names of images', () => {
  const rows: readonly [string, ReturnType<typeof parseImage>][] = [
    ['x.azurecr.io/a/b:1', { registry: 'x.azurecr.io', repository: 'a/b', reference: '1' }],
    ['127.0.0.1:8080/a:1', { registry: '127.0.0.1:8080', repository: 'a', reference: '1' }],
    ['x.io/a@sha256:00', { registry: 'x.io', repository: 'a', reference: 'sha256:00' }],
    ['localhost/a:1', { registry: 'registry-1.docker.io', repository: 'localhost/a', reference: '1' }],
    ['hello-world:1', { registry: 'registry-1.docker.io', repository: 'library/hello-world', reference: '1' }]
  ]
  for (const [image, expected] of rows) it(image, () => assert.deepEqual(parseImage(image), expected))

  it('match credentials by host and port, in any case', () => {
    const credentials = ['X.azurecr.io', 'y.example:8000', 'https://z.example'].map((address) => ({
      address,
      username: 'u',
      password: 'p'
    }))
    const found = (registry: string): string | undefined => credentialFor(registry, credentials)?.address
    assert.equal(found('x.AZURECR.io'), 'X.azurecr.io')
    assert.equal(found('y.example:8000'), 'y.example:8000')
    assert.equal(found('y.example'), undefined)
    assert.equal(found('z.example'), undefined)
  })
})
