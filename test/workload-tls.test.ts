import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { settingsSchemaVersion } from '../module/settings/document.ts'
import { hashPassword } from '../module/settings/password-hash.ts'
import { CertificateAuthority } from '../simulator/certificates.ts'
import { startEdgeHub, type EdgeHub } from '../simulator/edge-hub/edge-hub.ts'
import { TwinStore } from '../simulator/twins.ts'
import { LoneModule } from './lone-module.ts'
import { isInstalled, run, skip } from './real-tools.ts'

const key = TwinStore.key('gateway', 'connected-registry')
const user = 'plant-client'
/** Milliseconds. Certificates of days are renewed in the same way, when two thirds of them are over. */
const shortLife = 6000

describe('TLS with a certificate from IoT Edge', function () {
  this.timeout(60_000)
  let folder: string
  let authority: CertificateAuthority
  let edgeHub: EdgeHub
  let module: LoneModule
  let port: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-workload-tls-'))
    authority = await CertificateAuthority.create()
    await writeFile(join(folder, 'ca.pem'), authority.certificate)
    const twins = new TwinStore()
    edgeHub = await startEdgeHub({ deviceId: 'gateway', hubHostName: 'hub.azure-devices.net', authority, twins })
    edgeHub.shortenCertificates(shortLife)
    const environment = edgeHub.moduleEnvironment('connected-registry')
    assert.match(environment['IOTEDGE_WORKLOADURI'] ?? '', /^unix:\/\/\//)
    twins.patchDesired(key, {
      schemaVersion: settingsSchemaVersion,
      registry: { tls: { source: 'workload' } },
      scopeMaps: { all: { actions: ['repositories/*/content/read'] } },
      tokens: { [user]: { scopeMap: 'all', passwords: { password1: { hash: await hashPassword('sesame') } } } }
    })
    module = new LoneModule(folder)
    await module.start({ CAUSEWAY_SETTINGS: undefined, ...environment })
    ;({ port } = new URL(module.origin))
    await module.logs(/TLS is served/)
  })
  after(async () => {
    await module.stop()
    await edgeHub.close()
    await rm(folder, { recursive: true })
  })

  /**
   * The certificate that a client sees which trusts the device's authority and nobody else.
   *
   * @param strict whether it has to be within its time
   */
  async function seen(
    strict = true
  ): Promise<{ readonly status: number | undefined; readonly certificate: X509Certificate }> {
    // By the gateway's name, as clients outside the module network call it.
    const sent = request({
      host: 'localhost',
      port,
      path: '/v2/',
      ca: authority.certificate,
      agent: false,
      rejectUnauthorized: strict
    })
    sent.end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    const { socket } = response
    assert.ok(socket instanceof TLSSocket)
    const certificate = socket.getPeerX509Certificate()
    response.resume()
    assert.ok(certificate)
    return { status: response.statusCode, certificate }
  }

  it('serves clients that trust the device, by its own names, and renews before the end', async () => {
    const { length } = module.log
    const first = await seen()
    assert.equal(first.status, 401)
    for (const name of ['localhost', 'connected-registry']) assert.ok(first.certificate.checkHost(name), name)
    const next = new RegExp(`TLS is served .* until="(?!${first.certificate.validTo})([^"]*)"`)
    const [, until = ''] = await module.logs(next, length)
    assert.ok(Date.parse(until) - shortLife < Date.parse(first.certificate.validTo), 'made before the first one ended')
    const second = await seen()
    assert.notEqual(second.certificate.fingerprint256, first.certificate.fingerprint256)
    assert.ok(Date.parse(second.certificate.validTo) > Date.parse(first.certificate.validTo))
    assert.doesNotMatch(module.log, /PRIVATE KEY/)
  })

  it('keeps what it has while the daemon does not answer, and goes on with it afterwards', async () => {
    edgeHub.stallWorkload(true)
    for (let path = ''; !path.includes('/certificate/server');) [{ path }] = await once(edgeHub, 'workloadRequest')
    const { length } = module.log
    // However long that took, and what is in use is past its end: it is not taken away.
    const kept = await seen(false)
    assert.equal(kept.status, 401)
    assert.ok(kept.certificate.verify(new X509Certificate(authority.certificate).publicKey))
    edgeHub.shortenCertificates(86_400_000)
    edgeHub.stallWorkload(false)
    await module.logs(/TLS is served/, length)
    assert.ok(Date.parse((await seen()).certificate.validTo) > Date.now() + 80_000_000)
  })

  it('lets curl log in', async function () {
    if (!isInstalled('curl')) skip(this, 'curl is not installed')
    const words = ['--silent', '--show-error', '--noproxy', '*', '--cacert', join(folder, 'ca.pem'), '--config', '-']
    const ran = await run(
      'curl',
      [...words, '--write-out', '%{http_code}', `https://localhost:${port}/v2/`],
      {},
      `user = "${user}:sesame"\n`
    )
    assert.deepEqual([ran.code, ran.stdout], [0, '{}200'], ran.stderr)
    const stranger = await run('curl', ['--silent', '--noproxy', '*', `https://localhost:${port}/v2/`])
    assert.equal(stranger.code, 60, 'a client that does not trust the device refuses')
  })
})
