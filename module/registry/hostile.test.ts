import assert from 'node:assert/strict'
import { connect } from 'node:net'
import fc from 'fast-check'
import { digestOf } from '../oci/digest.ts'
import { codeOf, config, lastingHeaders, layer, portOf, useWorld, writer } from './world.test.ts'

/*
 * What nobody sends who means well. Whatever comes: an answer in the registry's form, never a 500, never a hang, and nothing
 * outside the storage's folder.
 */

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'TRACE'] as const
const session = '00000000-0000-4000-8000-000000000000'

/** Parts of paths: some right, some nearly, some absurd. */
const piece = fc.oneof(
  fc.constantFrom(
    ...[
      'v2',
      'samples',
      'app',
      'blobs',
      'uploads',
      'manifests',
      'tags',
      'list',
      'referrers',
      '_catalog',
      '1.0',
      session
    ],
    ...[
      '..',
      '.',
      '',
      '%2e%2e',
      '%2F',
      '%00',
      '%',
      '%ff',
      '%F0%9F%92%A9',
      '~',
      '@',
      ':',
      'sha256:',
      'sha256:x',
      '%C3%9C'
    ],
    ...[digestOf(layer), digestOf(config).replace(':', '%3A'), 'A'.repeat(300), '__proto__', 'constructor']
  ),
  fc.string({ maxLength: 12 }).map((text) => encodeURIComponent(text))
)
const value = fc.oneof(
  fc.constantFrom(
    '',
    '0',
    '-1',
    '1e9',
    '99999999999999999999',
    digestOf(layer),
    'sha512:',
    '%',
    '&',
    '=',
    '\u0000',
    'null'
  ),
  fc.string({ maxLength: 20 })
)
const query = fc
  .array(
    fc.tuple(
      fc.constantFrom(
        'n',
        'last',
        'digest',
        'mount',
        'from',
        'tag',
        'artifactType',
        'digest-algorithm',
        'ns',
        '__proto__'
      ),
      value
    ),
    { maxLength: 4 }
  )
  .map((pairs) => pairs.map(([name, text]) => `${name}=${encodeURIComponent(text)}`).join('&'))
const path = fc
  .tuple(fc.boolean(), fc.array(piece, { maxLength: 7 }), query)
  .map(([prefixed, pieces, text]) => `${prefixed ? '/v2' : ''}/${pieces.join('/')}${text === '' ? '' : `?${text}`}`)
const headers = fc.dictionary(
  fc.constantFrom('range', 'content-range', 'if-none-match', 'if-range', 'accept', 'content-type', 'x-forwarded-host'),
  fc.oneof(
    fc.constantFrom(
      'bytes=0-',
      'bytes=9-1',
      '0-0',
      '5-2',
      'bytes 0-1/2',
      '*',
      '""',
      ',,,',
      'application/json',
      'a/b;c'
    ),
    fc.string({ maxLength: 20 }).map((text) => text.replace(/[^\x20-\x7e]/g, '').trim())
  ),
  { maxKeys: 3 }
)
const body = fc.option(
  fc.oneof(fc.constantFrom('', '{}', '[]', 'null', '{"schemaVersion":2}'), fc.string({ maxLength: 200 }))
)

describe('registry: malformed requests', () => {
  const world = useWorld()

  // One connection for all of them: an answer that breaks it shows in the next request.
  it('get clear errors, ten thousand of them', async () => {
    const seen = new Map<number, number>()
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...methods),
        path,
        headers,
        body,
        fc.boolean(),
        async (method, where, more, sent, write) => {
          world.mode = write ? 'ReadWrite' : 'ReadOnly'
          // Without a length Node sends what is no body to it as the next request.
          const length = sent === null ? {} : { 'content-length': `${Buffer.byteLength(sent)}` }
          const answer = await world.send(
            method,
            where,
            { ...more, ...length, authorization: writer },
            sent ?? undefined
          )
          seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1)
          assert.ok(answer.status < 500, `${answer.status} ${answer.body.toString()}`)
          if (answer.status < 400 || method === 'HEAD') return
          assert.equal(answer.headers['content-type'], 'application/json')
          const { errors } = JSON.parse(answer.body.toString())
          assert.match(errors[0].code as string, /^[A-Z_]+$/)
          assert.equal(typeof errors[0].message, 'string')
        }
      ),
      { numRuns: 10_000 }
    )
    // The generator reaches what is behind the first checks, too.
    for (const status of [200, 400, 404, 405]) assert.ok(seen.has(status), `${status} of ${[...seen.keys()].join()}`)
    assert.ok(
      !world.lines.join('').includes('[ERR]'),
      world.lines.find((line) => line.includes('[ERR]'))
    )
  }).timeout(120_000)

  it('that push a manifest of any media type are refused, or get it back with every later GET and HEAD', async () => {
    world.mode = 'ReadWrite'
    const seen = new Set<number>()
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.constantFrom(
            '',
            'a b c',
            'application/x\nfoo: bar',
            'application/vnd.example+json',
            'x'.repeat(20_000),
            null
          ),
          fc.string({ maxLength: 20, unit: 'binary' }),
          fc.string({ maxLength: 20, unit: 'binary-ascii' }).map((text) => `application/${text}`)
        ),
        fc.option(fc.constantFrom('application/json', 'application/octet-stream', 'text', 'a/b;c', 'a b/c'), {
          nil: undefined
        }),
        async (mediaType, contentType) => {
          const pushed = JSON.stringify({ schemaVersion: 2, mediaType, layers: [] })
          const answer = await world.push('PUT', '/v2/samples/typed/manifests/any', pushed, {
            'content-length': `${Buffer.byteLength(pushed)}`,
            ...(contentType === undefined ? {} : { 'content-type': contentType })
          })
          seen.add(answer.status)
          if (answer.status !== 201) {
            assert.equal(answer.status, 400)
            assert.equal(codeOf(answer), 'MANIFEST_INVALID')
            return
          }
          for (const reference of ['any', digestOf(pushed)]) {
            const got = await world.get(`/v2/samples/typed/manifests/${reference}`)
            assert.equal(got.status, 200)
            assert.equal(got.body.toString(), pushed)
            assert.match(got.headers['content-type'] ?? '', /^[!-~]+\/[!-~]+$/)
            const head = await world.send('HEAD', `/v2/samples/typed/manifests/${reference}`)
            assert.deepEqual(lastingHeaders(head.headers), lastingHeaders(got.headers))
          }
        }
      ),
      { numRuns: 100 }
    )
    assert.deepEqual([...seen].sort(), [201, 400])
  }).timeout(30_000)

  /**
   * What comes back for bytes that are hardly HTTP, until the connection ends.
   *
   * @param ends whether the client ends its side at once
   */
  async function raw(text: string, ends: boolean): Promise<string> {
    const socket = connect(portOf(world.server), '127.0.0.1')
    const closed = new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve))
    let answer = ''
    socket.setEncoding('latin1').on('data', (part: string) => (answer += part))
    if (ends) socket.end(text, 'latin1')
    else socket.write(text, 'latin1')
    await closed
    return answer
  }

  it('that are no HTTP end with their connection, and disturb nobody', async () => {
    const nothing = ['', '\r\n\r\n']
    for (const text of [
      ...nothing,
      'hello\r\n\r\n',
      'GET\r\n\r\n',
      'GET /v2/\u00dc HTTP/1.1\r\nHost: a\r\n\r\n',
      'GET /v2/ HTTP/9.9\r\n\r\n',
      'GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n',
      'GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'POST /v2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      `GET /v2/ HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`,
      `GET /${'z'.repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
      '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003'
    ]) {
      const answer = await raw(text, true)
      if (nothing.includes(text)) {
        assert.equal(answer, '')
        continue
      }
      assert.match(answer, /^HTTP\/1\.1 4\d\d /, JSON.stringify(text.slice(0, 60)))
      const { errors } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))
      assert.match(errors[0].code as string, /^[A-Z_]+$/)
    }
    assert.equal((await world.get('/v2/')).status, 200)
  })

  it('with tricks in their paths reach nothing outside', async () => {
    for (const path of [
      '/v2/../../etc/passwd',
      '/v2/samples/app/blobs/../../../../etc/passwd',
      '/v2/samples%2Fapp/manifests/1.0',
      '/v2/samples/app/manifests/..%2f..%2f1.0',
      '/v2/samples/app/blobs/sha256:..%2f..%2fetc%2fpasswd',
      `/v2/samples/app/blobs/uploads/..%2f..%2f${session}`,
      '//v2/samples/app/manifests/1.0',
      '/v2//samples/app/manifests/1.0',
      '/V2/samples/app/manifests/1.0'
    ]) {
      const head = `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: ${writer}\r\n\r\n`
      const answer = await raw(head, false)
      // A slash may be written as %2F: then it is the same path.
      assert.match(
        answer,
        path.startsWith('/v2/samples%2F') ? /^HTTP\/1\.1 (?:200|4\d\d) / : /^HTTP\/1\.1 4\d\d /,
        path
      )
      assert.doesNotMatch(answer, /root:/)
    }
  })
})
