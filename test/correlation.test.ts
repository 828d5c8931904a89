import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SettingsInput } from '../module/settings/document.ts'
import { hashPassword } from '../module/settings/password-hash.ts'
import { LoneModule } from './lone-module.ts'
import { pushImage } from './pushing.ts'

const password = 'right for everybody'
const user = 'chain-client'

/** A gateway's registry, one below it and one below that, each a process of its own. */
describe('one correlation id through layers', function () {
  this.timeout(60_000)
  let folder: string
  let hash: string
  const layers: LoneModule[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-correlation-'))
    hash = await hashPassword(password)
  })
  after(async () => {
    for (const layer of layers) await layer.stop()
    await rm(folder, { recursive: true, force: true })
  })

  async function start(parent: LoneModule | undefined, more: Partial<SettingsInput>): Promise<LoneModule> {
    const layer = new LoneModule(await mkdtemp(join(folder, 'layer-')))
    await layer.write({
      schemaVersion: '1.0',
      logLevel: 'Debug',
      ...(parent && {
        parent: { endpoint: new URL(parent.origin).host, protocol: 'http', tokenName: user, password }
      }),
      scopeMaps: {
        everything: {
          actions: ['content/read', 'content/write', 'metadata/read'].map((each) => `repositories/*/${each}`)
        }
      },
      tokens: { [user]: { scopeMap: 'everything', passwords: { password1: { hash } } } },
      ...more
    })
    await layer.start()
    layers.push(layer)
    return layer
  }

  it('leads from the pass of the lowest to what each above it was asked for its sake', async () => {
    const top = await start(undefined, { mode: 'ReadWrite' })
    await pushImage({ origin: top.origin, user, password }, 'plant/app', '1', [Buffer.alloc(1000, 'x')])
    const middle = await start(top, { imageSets: { all: { repositories: ['plant/app:1', 'plant/later:1'] } } })
    await middle.logs(/ sync ended /)
    const lower = await start(middle, { imageSets: { all: { repositories: ['plant/app:1', 'plant/later:1'] } } })
    const [, id = ''] = await lower.logs(/ sync ended .*state=Failed.* correlationId=([0-9a-f-]{36})\n/)
    // What the pass did here.
    assert.match(lower.log, new RegExp(` image ready .*plant/app:1.* correlationId=${id}\n`))
    assert.match(lower.log, new RegExp(` image failed .*plant/later:1.* correlationId=${id}\n`))
    // What the parent was asked by it, the bearer token included; and as it lacks one image too, what its own parent was.
    await middle.logs(new RegExp(` request method=GET path=/acr/oauth2/token status=200 correlationId=${id}\n`))
    await middle.logs(new RegExp(` sync ended trigger=Schedule .* correlationId=${id}\n`))
    await top.logs(new RegExp(` request method=HEAD path=/v2/plant/later/manifests/1 status=404 correlationId=${id}\n`))
    await middle.stop()
    const records = (await readFile(join(middle.data, 'causeway/audit/audit.jsonl'), 'utf8')).trimEnd().split('\n')
    const pulls = records.map((line) => JSON.parse(line) as { repository: string; correlationIds: string[] })
    assert.ok(pulls.some(({ repository, correlationIds }) => repository === 'plant/app' && correlationIds.includes(id)))
  })
})
