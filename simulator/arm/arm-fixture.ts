import assert from 'node:assert/strict'
import { CloudFixture, testIdentity, type Answer, type ParsedJson } from '../cloud-fixture.ts'
import type { Cloud } from '../cloud.ts'

const { subscriptionId, resourceGroup } = testIdentity

export const origin = 'https://management.azure.com'
/** The id of the first registry; the second is `plain`, of the Standard SKU. */
export const root = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/Microsoft.ContainerRegistry/registries/Contoso`

export function idOf(kind: string, name: string): string {
  return `${root}/${kind}/${name}`
}

/** Actions of a sync scope map. */
export const actions = ['repositories/app/content/read', 'repositories/app/metadata/read', 'gateway/root1/config/read']

/** A Resource Manager with two registries, a clock of its own and a client that is logged in. */
export class ArmFixture {
  /** Milliseconds; the cloud's time. */
  clock = Date.parse('2026-11-21T18:48:02.300Z')
  #base: CloudFixture | undefined
  #authorization = ''

  static async start(): Promise<ArmFixture> {
    const fixture = new ArmFixture()
    fixture.#base = await CloudFixture.start({
      now: () => fixture.clock,
      registries: [
        { name: 'Contoso', region: 'westeurope', dataEndpointEnabled: true },
        { name: 'plain', region: 'westeurope', sku: 'Standard' }
      ]
    })
    fixture.#authorization = `Bearer ${await fixture.base.entraToken()}`
    return fixture
  }

  get base(): CloudFixture {
    assert.ok(this.#base)
    return this.#base
  }

  get cloud(): Cloud {
    return this.base.cloud
  }

  /** @param path an id, or a whole URL, which is sent as it is */
  call(method: string, path: string, body?: unknown, apiVersion = '2025-11-01'): Promise<Answer> {
    const url = path.startsWith('https://') ? path : `${origin}${path}?api-version=${apiVersion}`
    const headers = { authorization: this.#authorization }
    return this.base.send(method, url, { headers, ...(body === undefined ? {} : { body }) })
  }

  /** The same where it has to succeed, and its body. */
  async ok(method: string, path: string, body?: unknown): Promise<ParsedJson> {
    const answer = await this.call(method, path, body)
    assert.ok(answer.status < 300, `${answer.status} ${answer.text}`)
    return answer.text === '' ? undefined : answer.json
  }

  putMap(name = 'root1', list: readonly string[] = actions): Promise<Answer> {
    return this.call('PUT', idOf('scopeMaps', name), { properties: { actions: list } })
  }

  /** A scope map and a token of one name, the token's operation polled to its end; gives the token's id. */
  async makeToken(name = 'root1'): Promise<string> {
    await this.putMap(name)
    const body = { properties: { scopeMapId: idOf('scopeMaps', name), status: 'enabled' } }
    const put = await this.call('PUT', idOf('tokens', name), body)
    assert.equal(put.status, 201, put.text)
    await this.finish(put)
    return idOf('tokens', name)
  }

  /** Polls what an answer started until it is done, and gives the last poll's answer. */
  async finish(started: Answer): Promise<Answer> {
    const url = String(started.headers['azure-asyncoperation'] ?? started.headers.location)
    for (let poll = 0; poll < 5; poll += 1) {
      const answer = await this.call('GET', url)
      if (answer.status === 200 && !/Creating|Updating/.test(answer.text)) return answer
    }
    return assert.fail('the operation did not end')
  }

  close(): Promise<void> {
    return this.base.close()
  }
}

/** The body that makes a connected registry. */
export function connected(tokenId: string, more: object = {}, sync: object = {}): ParsedJson {
  return {
    properties: {
      mode: 'readwrite',
      parent: { syncProperties: { tokenId, schedule: '0 12 * * *', messageTtl: 'P2D', ...sync } },
      ...more
    }
  }
}
