import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '../module/oci/digest.ts'
import { probeProxy } from '../module/proxy-probe.ts'
import { manifest, portOf, useWorld } from '../module/registry/world.test.ts'
import type { SettingsInput } from '../module/settings/document.ts'
import { CertificateAuthority } from '../simulator/certificates.ts'
import { readersOf } from './guarded-module.ts'
import { LoneModule } from './lone-module.ts'
import { ApiProxy } from './nginx.ts'
import { isInstalled, mustRun, run, skip } from './real-tools.ts'
import type { Ran } from './world.ts'

describe('behind a real nginx, as the API proxy routes', function () {
  this.timeout(60_000)
  const parent = useWorld()
  let folder: string
  let module: LoneModule
  let proxy: ApiProxy
  /** What a start that went wrong half way leaves too: a program that runs keeps mocha from ending. */
  const cleanUps: (() => Promise<unknown>)[] = []

  before(async function () {
    for (const tool of ['nginx', 'skopeo']) if (!isInstalled(tool)) skip(this, `${tool} is not installed`)
    folder = await mkdtemp(join(tmpdir(), 'causeway-api-proxy-'))
    cleanUps.push(() => rm(folder, { recursive: true }))
    await mkdir(join(folder, 'trust'))
    const authority = await CertificateAuthority.create()
    await writeFile(join(folder, 'trust/ca.crt'), authority.certificate)
    module = new LoneModule(folder)
    const endpoint = `127.0.0.1:${portOf(parent.server)}`
    await module.write(await readersOf('samples/app:1.0', endpoint, { 'plant-client': 'sesame' }))
    await module.start()
    cleanUps.push(() => module.stop())
    await module.logs(/image ready/)
    proxy = new ApiProxy(join(folder, 'nginx'), await authority.issue(['127.0.0.1']))
    await proxy.start(new URL(module.origin).host)
    cleanUps.push(() => proxy.stop())
  })
  after(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
  })

  const trust = () => ['--cert-dir', join(folder, 'trust')]
  const environment = () => ({ HOME: folder, TMPDIR: folder, REGISTRY_AUTH_FILE: join(folder, 'auth.json') })
  const pull = async (): Promise<Ran> =>
    run(
      'skopeo',
      [
        ...['--debug', 'copy', '--src-cert-dir', join(folder, 'trust')],
        ...[`docker://${proxy.host}/samples/app:1.0`, `dir:${join(folder, 'image')}`]
      ],
      environment()
    )
  const pulled = async (): Promise<string> => digestOf(await readFile(join(folder, 'image/manifest.json')))

  it('logs in and pulls, with a token from where the proxy leads', async () => {
    const words = ['login', ...trust(), '-u', 'plant-client', '--password-stdin', proxy.host]
    await mustRun('skopeo', words, environment(), 'sesame')
    const { code, stderr } = await pull()
    assert.equal(code, 0, stderr)
    assert.match(stderr, new RegExp(`GET https://${proxy.host}/acr/oauth2/token`))
    assert.equal(await pulled(), digestOf(manifest))
  })

  it('logs in and pulls with Basic challenges, as relays need them', async () => {
    const settings = JSON.parse(await readFile(module.settings, 'utf8')) as SettingsInput
    const { length } = module.log
    await module.write({ ...settings, registry: { challenge: 'Basic' } })
    await module.logs(/settings applied/, length)
    const { code, stderr } = await pull()
    assert.equal(code, 0, stderr)
    assert.doesNotMatch(stderr, /oauth2\/token/)
    const again = module.log.length
    await module.write(settings)
    await module.logs(/settings applied/, again)
  })

  it('hands the id of a request on, which is then in the answer, the log and the record', async () => {
    const authorization = `Basic ${Buffer.from('plant-client:wrong').toString('base64')}`
    const headers = { authorization, 'x-ms-correlation-request-id': 'asked-by-a-client' }
    const ca = await readFile(join(folder, 'trust/ca.crt'))
    const sent = request(`https://${proxy.host}/v2/`, { headers, ca, agent: false }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    response.resume()
    assert.equal(response.statusCode, 401)
    assert.equal(response.headers['x-ms-correlation-request-id'], 'asked-by-a-client')
    await module.logs(/a login was refused name=plant-client .* correlationId=asked-by-a-client\n/)
    await module.stop()
    assert.match(
      await readFile(join(module.data, 'causeway/audit/audit.jsonl'), 'utf8'),
      /"result":401,"correlationIds":\["asked-by-a-client"\]/
    )
    await module.start()
    await proxy.reload(new URL(module.origin).host)
  })

  it('gets 502 when the registry is recreated at another address, until nginx reloads, and the module’s method sees both', async () => {
    const before = module.origin
    const port = Number(proxy.host.split(':')[1])
    // As the module's direct method `probeProxy` looks: a module's name in place of the address.
    const probe = () => probeProxy({ host: 'localhost', port }, AbortSignal.timeout(10_000))
    const url = `https://localhost:${port}/v2/`
    assert.deepEqual(await probe(), { url, status: 401, registry: true })
    await module.stop()
    // Nobody else is to get the old port, and to answer there.
    const nobody = createServer((socket) => socket.destroy()).listen(Number(new URL(before).port), '127.0.0.1')
    cleanUps.push(() => new Promise((resolve) => nobody.close(resolve)))
    await once(nobody, 'listening')
    await module.start()
    assert.notEqual(module.origin, before)
    assert.deepEqual(await probe(), { url, status: 502, registry: false })
    const lost = await pull()
    assert.notEqual(lost.code, 0)
    assert.match(lost.stderr, /502/)
    await proxy.reload(new URL(module.origin).host)
    assert.deepEqual(await probe(), { url, status: 401, registry: true })
    const { code, stderr } = await pull()
    assert.equal(code, 0, stderr)
    assert.equal(await pulled(), digestOf(manifest))
    await proxy.stop()
    assert.deepEqual(await probe(), { url, registry: false, error: 'ECONNREFUSED' })
  })
})
