import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { CloudFixture } from '../simulator/cloud-fixture.ts'
import { LoneModule } from './lone-module.ts'
import { isInstalled, Program, skip } from './real-tools.ts'

const dashboardFile = join(import.meta.dirname, '../manifests/grafana-dashboard.json')
const dashboard = z.object({
  panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })) }))
})
const answer = z.object({ status: z.literal('success'), data: z.object({ result: z.array(z.unknown()) }) })

/** Milliseconds that a query may stay without a result: rates want two scrapes, a second apart. */
const patience = 30_000
/** What a device that is well and has just started has nothing to show for. */
const emptyWhereAllIsWell = new Set(['Faults'])

describe('the Grafana dashboard', function () {
  this.timeout(60_000)
  let folder: string
  let origin: string
  const cleanUps: (() => Promise<unknown>)[] = []

  before(async function () {
    if (!isInstalled('prometheus')) skip(this, 'prometheus is not installed')
    folder = await mkdtemp(join(tmpdir(), 'causeway-dashboard-'))
    cleanUps.push(() => rm(folder, { recursive: true }))
    const world = await CloudFixture.start()
    cleanUps.push(() => world.close())
    const cloud = world.cloud.registry('contoso')
    await cloud.pushImage('plant/app', '1.0')
    const { username, password } = cloud.addToken('sync-token', [
      'repositories/*/content/read',
      'repositories/*/metadata/read'
    ])
    const module = new LoneModule(folder)
    await module.write({
      schemaVersion: '1.0',
      parent: { endpoint: 'contoso.azurecr.io', tokenName: username, password },
      imageSets: { plant: { repositories: [{ repository: 'plant/app', tags: ['*'] }] } }
    })
    await module.start({ https_proxy: world.network.proxyUrl, NODE_EXTRA_CA_CERTS: world.caFile })
    cleanUps.push(() => module.stop())
    await module.logs(/ sync ended .*state=Succeeded/)
    const configuration = {
      global: { scrape_interval: '1s' },
      scrape_configs: [{ job_name: 'causeway', static_configs: [{ targets: [new URL(module.origin).host] }] }]
    }
    // Prometheus reads YAML, which JSON is.
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(configuration))
    const prometheus = new Program('prometheus', [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'prometheus')}`,
      '--web.listen-address=127.0.0.1:0'
    ])
    cleanUps.push(() => prometheus.end())
    const [, address = ''] = await prometheus.says(/Listening on" address=(\S+)/)
    origin = `http://${address}`
    await prometheus.says(/Server is ready to receive web requests/)
  })
  after(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
  })

  async function query(expression: string): Promise<readonly unknown[]> {
    const response = await fetch(`${origin}/api/v1/query?${new URLSearchParams({ query: expression }).toString()}`)
    const body = await response.text()
    assert.equal(response.status, 200, `${expression}: ${body}`)
    return answer.parse(JSON.parse(body)).data.result
  }

  it('is filled in every panel by what the module tells a real Prometheus', async () => {
    const { panels } = dashboard.parse(JSON.parse(await readFile(dashboardFile, 'utf8')))
    assert.ok(panels.length > 5)
    const deadline = AbortSignal.timeout(patience)
    for (const { title, targets } of panels)
      for (const { expr } of targets) {
        const expression = expr.replaceAll('$device', '.*')
        let found = await query(expression)
        while (found.length === 0 && !deadline.aborted && !emptyWhereAllIsWell.has(title)) {
          await delay(250)
          found = await query(expression)
        }
        assert.equal(found.length > 0, !emptyWhereAllIsWell.has(title), `${title}: ${expr}`)
        // The same metric without the comparison: a name that is wrong would be as empty.
        assert.notEqual((await query(expression.replace(/ == 1$/, ''))).length, 0, `${title}: ${expr}`)
      }
  })
})
