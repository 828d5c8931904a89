import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CertificateAuthority, type ServerCertificate } from '../simulator/certificates.ts'
import { LineLog } from './log/log.ts'
import type { ServerKeyPair } from './registry/tls.ts'
import { TlsKeeper, type TlsKeeperOptions } from './tls-keeper.ts'

describe('TLS keeper', () => {
  let folder: string
  let authority: CertificateAuthority
  let first: ServerCertificate
  let second: ServerCertificate
  let keeper: TlsKeeper
  let inUse: ServerKeyPair | undefined
  let faults: (string | undefined)[]
  const events = new EventEmitter()
  const lines: string[] = []

  before(async () => {
    authority = await CertificateAuthority.create()
    first = await authority.issue(['first.example'])
    second = await authority.issue(['second.example'])
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-tls-'))
    inUse = undefined
    faults = []
    lines.length = 0
  })
  afterEach(async () => {
    keeper.close()
    await rm(folder, { recursive: true })
  })

  const create = (options: Partial<TlsKeeperOptions> = {}): void => {
    keeper = new TlsKeeper({
      log: new LineLog((line) => lines.push(line)),
      use(pair) {
        if (pair?.certificate === '') throw new Error('unusable')
        inUse = pair
        events.emit('use')
      },
      fetch: undefined,
      report(fault) {
        faults.push(fault)
        events.emit('report')
      },
      lookEvery: 5,
      ...options
    })
  }
  const write = async ({ cert, key }: ServerCertificate): Promise<void> => {
    await writeFile(join(folder, 'key.pem'), key)
    await writeFile(join(folder, 'cert.pem'), cert)
  }
  const files = () => ({
    source: 'files' as const,
    certificate: join(folder, 'cert.pem'),
    key: join(folder, 'key.pem')
  })
  const reported = async (what: (fault: string | undefined) => boolean): Promise<void> => {
    while (!what(faults.at(-1))) await once(events, 'report')
  }

  it('serves files, and follows them as they change', async () => {
    create()
    await write(first)
    const used = once(events, 'use')
    keeper.configure(files())
    await used
    assert.deepEqual(inUse, { certificate: first.cert, key: first.key })
    await write(second)
    while (inUse.certificate !== second.cert) await once(events, 'use')
    assert.equal(inUse.key, second.key)
    assert.doesNotMatch(lines.join(''), /PRIVATE/)
  })

  it('says what is wrong with files, keeps what was good, and says when it is mended', async () => {
    create()
    keeper.configure(files())
    await reported((fault) => fault !== undefined)
    assert.match(faults.at(-1)!, /cert\.pem cannot be used .*ENOENT.*TLS is not served/)
    await write(first)
    await reported((fault) => fault === undefined)
    await writeFile(join(folder, 'cert.pem'), 'no certificate')
    await reported((fault) => fault !== undefined)
    assert.match(faults.at(-1)!, /the one before it stays in use/)
    assert.equal(inUse?.certificate, first.cert)
  })

  it('serves a certificate that is past its end, and says so', async () => {
    create({ now: () => Date.now() + 30 * 86_400_000 })
    await write(first)
    keeper.configure(files())
    await reported((fault) => fault !== undefined)
    assert.match(faults.at(-1)!, /past its end/)
    assert.equal(inUse?.certificate, first.cert)
  })

  it('gets a certificate from IoT Edge, and another one before it ends', async () => {
    let now = Date.now()
    const given = [first, second]
    create({
      now: () => now,
      fetch: () => {
        const { cert, key } = given.shift()!
        return Promise.resolve({ certificate: cert, key })
      }
    })
    const used = once(events, 'use')
    keeper.configure({ source: 'workload' })
    await used
    assert.deepEqual(inUse, { certificate: first.cert, key: first.key })
    keeper.configure({ source: 'workload' })
    assert.equal(given.length, 1, 'nothing is fetched before it is due')
    const renewed = once(events, 'use')
    now += 6 * 86_400_000
    await renewed
    assert.deepEqual(inUse, { certificate: second.cert, key: second.key })
    keeper.configure({ source: 'none' })
    assert.equal(inUse, undefined)
  })

  it('says when IoT Edge gives none, and that there is none without it', async () => {
    create({ fetch: () => Promise.reject(new Error('the daemon is away')) })
    keeper.configure({ source: 'workload' })
    await reported((fault) => fault !== undefined)
    assert.match(faults.at(-1)!, /from IoT Edge cannot be used \(the daemon is away\)/)
    keeper.close()
    faults = []
    create()
    keeper.configure({ source: 'workload' })
    await reported((fault) => fault !== undefined)
    assert.match(faults.at(-1)!, /does not run under IoT Edge/)
  })
})
