import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { request as plainRequest, type IncomingMessage } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { portOf, useWorld } from '../module/registry/world.test.ts'
import type { SettingsInput } from '../module/settings/document.ts'
import { CertificateAuthority } from '../simulator/certificates.ts'
import { readersOf } from './guarded-module.ts'
import { LoneModule } from './lone-module.ts'

/* What the settings say of access, in a running module: that every room hears of it, without a restart. */
describe('access by the settings in force', function () {
  this.timeout(60_000)
  const parent = useWorld()
  let folder: string
  let module: LoneModule
  let authority: CertificateAuthority
  let settings: SettingsInput

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-access-'))
    authority = await CertificateAuthority.create()
    const { cert, key } = await authority.issue(['127.0.0.1'])
    await writeFile(join(folder, 'server.crt'), cert)
    await writeFile(join(folder, 'server.key'), key, { mode: 0o600 })
    module = new LoneModule(folder)
    settings = await readersOf('samples/app:1.0', `127.0.0.1:${portOf(parent.server)}`, { 'plant-client': 'sesame' })
    await module.write(settings)
    await module.start()
    await module.logs(/image ready/)
  })
  after(async () => {
    await module.stop().catch(() => undefined)
    await rm(folder, { recursive: true })
  })

  const apply = async (changes: Partial<SettingsInput>, until = /settings applied/): Promise<void> => {
    const { length } = module.log
    await module.write({ ...settings, ...changes })
    await module.logs(until, length)
  }
  const get = async (
    path: string,
    authorization?: string,
    tls = false
  ): Promise<IncomingMessage & { text: string }> => {
    const { hostname: host, port } = new URL(module.origin)
    const headers = authorization === undefined ? {} : { authorization }
    const sent = tls
      ? tlsRequest({ host, port, path, headers, ca: authority.certificate, agent: false })
      : plainRequest({ host, port, path, headers, agent: false })
    sent.end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    return Object.assign(response, { text: await text(response) })
  }
  const basic = (name: string, password: string): string =>
    `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
  const manifest = '/v2/samples/app/manifests/1.0'

  it('lets everybody read while the settings say so', async () => {
    assert.equal((await get(manifest)).statusCode, 401)
    await apply({ anonymousPull: { enabled: true } })
    assert.equal((await get(manifest)).statusCode, 200)
    assert.equal((await get('/v2/')).statusCode, 401)
    await apply({})
    assert.equal((await get(manifest)).statusCode, 401)
  })

  it('challenges as the settings say', async () => {
    assert.match(String((await get('/v2/')).headers['www-authenticate']), /^Bearer /)
    await apply({ registry: { challenge: 'Basic' } })
    assert.match(String((await get('/v2/')).headers['www-authenticate']), /^Basic /)
    await apply({})
  })

  it('takes a token that only the parent knows, where the settings allow it, and only to read', async () => {
    assert.equal((await get(manifest, basic('reader', 'secret'))).statusCode, 401)
    await apply({ parentTokens: { enabled: true } })
    assert.equal((await get(manifest, basic('reader', 'secret'))).statusCode, 200)
    assert.equal((await get(manifest, basic('reader', 'wrong'))).statusCode, 401)
    assert.equal((await get('/v2/other/manifests/1.0', basic('reader', 'secret'))).statusCode, 403)
    await apply({})
    assert.equal((await get(manifest, basic('reader', 'secret'))).statusCode, 401)
  })

  it('serves TLS beside plain HTTP on the same port, from the moment the settings say so', async () => {
    const files = { certificate: join(folder, 'server.crt'), key: join(folder, 'server.key') }
    await apply({ registry: { tls: { source: 'files', ...files } } }, /TLS is served/)
    const challenged = await get('/v2/', undefined, true)
    assert.match(String(challenged.headers['www-authenticate']), /^Bearer realm="https:\/\/127\.0\.0\.1:/)
    assert.equal((await get(manifest, basic('plant-client', 'sesame'), true)).statusCode, 200)
    assert.equal((await get('/healthz')).statusCode, 200)
    await apply({})
    await assert.rejects(get('/v2/', undefined, true))
  })

  it('says what is wrong with a certificate', async () => {
    const files = { certificate: join(folder, 'none.crt'), key: join(folder, 'server.key') }
    await apply({ registry: { tls: { source: 'files', ...files } } }, /fault .*code=CertificateUnusable/)
    await apply({})
  })

  it('keeps a record of who pulled what', async () => {
    await module.stop()
    const path = join(folder, 'data/causeway/audit/audit.jsonl')
    const lines = (await readFile(path, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    const pulls = lines.filter(({ action, result }) => action === 'pull' && result === 200)
    assert.deepEqual([...new Set(pulls.map(({ who }) => who))].sort(), ['', 'plant-client', 'reader'])
    assert.ok(pulls.every(({ digest }) => String(digest).startsWith('sha256:')))
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.doesNotMatch(JSON.stringify(lines) + module.log, /sesame|secret/)
  })
})
