import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '../module/oci/digest.ts'
import { hashPassword } from '../module/settings/password-hash.ts'
import { LoneModule } from './lone-module.ts'

const user = 'plant-pusher'
const authorization = `Basic ${Buffer.from(`${user}:sesame`).toString('base64')}`

describe('a module whose disk is full', function () {
  this.timeout(60_000)
  let folder: string
  let module: LoneModule
  let hash: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-full-'))
    hash = await hashPassword('sesame')
    module = new LoneModule(folder)
    await write(0)
    await module.start()
  })
  after(async () => {
    await module.stop()
    await rm(folder, { recursive: true })
  })

  /** A reserve larger than the disk is a disk without room. */
  const write = (reserveMebibytes: number): Promise<void> =>
    module.write({
      schemaVersion: '1.0',
      mode: 'ReadWrite',
      storage: { reserveMebibytes },
      scopeMaps: {
        all: { actions: ['read', 'write'].map((right) => `repositories/plant/*/content/${right}`) }
      },
      tokens: { [user]: { scopeMap: 'all', passwords: { password1: { hash } } } }
    })
  const apply = async (reserveMebibytes: number): Promise<void> => {
    const { length } = module.log
    await write(reserveMebibytes)
    await module.logs(/settings applied/, length)
  }
  const push = (blob: Buffer): Promise<Response> =>
    fetch(`${module.origin}/v2/plant/app/blobs/uploads/?digest=${digestOf(blob)}`, {
      method: 'POST',
      headers: { authorization },
      body: new Uint8Array(blob)
    })
  const health = async (path = '/healthz'): Promise<{ code: number; status: string; faults: string[] }> => {
    const response = await fetch(`${module.origin}${path}`)
    const { status, faults } = (await response.json()) as { status: string; faults: { code: string }[] }
    return {
      code: response.status,
      status,
      faults: faults.map(({ code }) => code).filter((code) => code !== 'ParentMissing')
    }
  }

  it('serves on, refuses pushes with 507, says so, stays healthy, and recovers by itself', async () => {
    const before = randomBytes(1000)
    assert.equal((await push(before)).status, 201)
    await apply(1_000_000_000)
    const refused = await push(randomBytes(1000))
    assert.equal(refused.status, 507)
    assert.ok(Number(refused.headers.get('retry-after')) > 0)
    const { errors } = (await refused.json()) as { errors: { code: string; message: string }[] }
    assert.equal(errors[0]?.code, 'UNAVAILABLE')
    assert.match(errors[0].message, /disk .* full/)
    for (const path of ['/healthz', '/readyz'])
      assert.deepEqual(await health(path), { code: 200, status: 'degraded', faults: ['DiskFull'] })
    const pulled = await fetch(`${module.origin}/v2/plant/app/blobs/${digestOf(before)}`, {
      headers: { authorization }
    })
    assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), before)
    await apply(0)
    while ((await health()).status !== 'ok') await new Promise(setImmediate)
    assert.equal((await push(randomBytes(1000))).status, 201)
  })
})
