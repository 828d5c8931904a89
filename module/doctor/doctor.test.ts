import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { CertificateAuthority } from '../../simulator/certificates.ts'
import { disk, hub, names, proxy, volume } from './checks.ts'
import { describeFindings, examine, type Check, type Finding } from './doctor.ts'
import { parentChecks, type ParentAnswer } from './parent-checks.ts'

describe('the doctor', () => {
  let folder: string
  const servers: Server[] = []

  before(async () => (folder = await mkdtemp(join(tmpdir(), 'causeway-doctor-'))))
  after(() => rm(folder, { recursive: true }))
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })

  async function listen(server: Server): Promise<number> {
    servers.push(server)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return (server.address() as AddressInfo).port
  }
  async function one(check: Check): Promise<Finding> {
    const [finding] = await examine([check])
    return finding ?? assert.fail()
  }
  /** A port that nothing listens on. */
  async function deafPort(): Promise<number> {
    const server = createServer()
    const port = await listen(server)
    servers.pop()?.close()
    await once(server, 'close')
    return port
  }

  it('tries to write in the volume, and leaves nothing there', async () => {
    const nothing = (): Promise<undefined> => Promise.resolve(undefined)
    assert.equal((await one(volume(folder, nothing))).outcome, 'ok')
    assert.deepEqual(await readdir(folder), [])
    await writeFile(join(folder, 'file'), '')
    const { outcome, message } = await one(volume(join(folder, 'file'), nothing))
    assert.equal(outcome, 'failed')
    assert.match(message, /ENOTDIR/)
    const obstacle = 'user 1:1 may not write there: run this'
    assert.deepEqual(await one(volume(folder, () => Promise.resolve(obstacle))), {
      check: 'volume',
      outcome: 'failed',
      message: obstacle
    })
  })

  it('compares the free disk with the reserve', async () => {
    assert.equal((await one(disk(folder, 0))).outcome, 'ok')
    const { outcome, message } = await one(disk(folder, 1e18))
    assert.equal(outcome, 'failed')
    assert.match(message, /GB are free, .*: nothing more can be brought; .*storage\.reserveMebibytes/)
    const absent = await one(disk(join(folder, 'not/made/yet'), 0))
    assert.equal(absent.outcome, 'ok', absent.message)
  })

  it('looks whether the outbound proxy takes connections, and names no credential', async () => {
    const port = await listen(createServer())
    assert.equal((await one(proxy(() => undefined))).outcome, 'skipped')
    assert.deepEqual(await one(proxy(() => new URL(`http://127.0.0.1:${port}`))), {
      check: 'proxy',
      outcome: 'ok',
      message: `127.0.0.1:${port} takes connections`
    })
    const deaf = await deafPort()
    const { outcome, message } = await one(proxy(() => new URL(`http://me:sesame@127.0.0.1:${deaf}`)))
    assert.equal(outcome, 'failed')
    assert.match(message, /ECONNREFUSED\): check https_proxy/)
    assert.doesNotMatch(message, /sesame/)
  })

  it('resolves the name of the parent, where no proxy does', async () => {
    const found = (): Promise<{ address: string }[]> => Promise.resolve([{ address: '10.0.0.1' }])
    const missing = (): Promise<never> => Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' }))
    const direct = (): boolean => false
    assert.equal((await one(names('a.example', direct, found))).message, 'a.example is 10.0.0.1')
    assert.match(
      (await one(names('a.example', direct, missing))).message,
      /ENOTFOUND\): check the endpoint and the DNS/
    )
    assert.equal((await one(names('a.example', () => true, missing))).outcome, 'skipped')
    assert.equal((await one(names(undefined, direct, missing))).outcome, 'skipped')
  })

  it('tells the parent, its credentials and its clock apart, with one question', async () => {
    let asked = 0
    const outcomes = async (answer: ParentAnswer): Promise<string[]> => {
      asked = 0
      const findings = await examine(
        parentChecks(() => {
          asked += 1
          return Promise.resolve(answer)
        })
      )
      assert.equal(asked, 1)
      return findings.map(({ outcome }) => outcome)
    }
    const host = 'contoso.azurecr.io'
    assert.deepEqual(await outcomes({ host, skewSeconds: -3 }), ['ok', 'ok', 'ok'])
    assert.deepEqual(await outcomes({ host, skewSeconds: 400 }), ['ok', 'ok', 'failed'])
    const trouble = (code: string): ParentAnswer => ({ host, trouble: { code, message: 'why' } })
    assert.deepEqual(await outcomes(trouble('PARENT_UNAUTHORIZED')), ['ok', 'failed', 'skipped'])
    assert.deepEqual(await outcomes(trouble('PARENT_UNTRUSTED')), ['failed', 'skipped', 'skipped'])
    assert.deepEqual(
      (await examine(parentChecks(undefined))).map(({ outcome }) => outcome),
      ['skipped', 'skipped', 'skipped']
    )
  })

  it("looks whether edgeHub shows a certificate of this device's", async () => {
    const [authority, stranger] = [await CertificateAuthority.create(), await CertificateAuthority.create()]
    const { cert, key } = await authority.issue(['localhost'])
    const host = `localhost:${await listen(createTlsServer({ cert, key }))}`
    const look = (ca: string): Promise<Finding> => one(hub({ host, trustBundle: () => Promise.resolve(ca) }))
    assert.equal((await look(authority.certificate)).outcome, 'ok')
    const { outcome, message } = await look(stranger.certificate)
    assert.equal(outcome, 'failed')
    assert.match(message, /iotedge check/)
    const silent = await one(hub({ host, trustBundle: () => Promise.reject(new Error('no workload API')) }))
    assert.equal(silent.message, 'no workload API')
    assert.equal((await one(hub(undefined))).outcome, 'skipped')
  })

  it('waits for nothing for ever', async () => {
    const never: Check = { name: 'never', look: () => new Promise(() => undefined) }
    const [finding] = await examine([never], { timeoutMs: 20 })
    assert.deepEqual(finding, { check: 'never', outcome: 'failed', message: 'no answer within 0.02 seconds' })
  })

  it('says what it found in lines', () => {
    assert.equal(
      describeFindings([
        { check: 'disk', outcome: 'ok', message: 'free' },
        { check: 'credentials', outcome: 'failed', message: 'wrong' }
      ]),
      'ok       disk         free\nfailed   credentials  wrong\n'
    )
  })
})
