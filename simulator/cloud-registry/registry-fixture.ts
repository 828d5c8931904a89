import assert from 'node:assert/strict'
import { mediaTypes } from '../../module/oci/media-types.ts'
import { CloudFixture, type Answer, type ParsedJson, type SendOptions } from '../cloud-fixture.ts'
import type { CloudOptions, CloudRegistry } from '../cloud.ts'

export const server = 'contoso.azurecr.io'

/** Accepts every kind of image manifest. */
export const accept = { accept: Object.values(mediaTypes).join(', ') }

export interface User {
  readonly username: string
  readonly password: string
}

/** A cloud with one registry and a clock of its own. */
export class RegistryFixture {
  /** Milliseconds; the cloud's time. */
  clock = Date.now()
  #base: CloudFixture | undefined

  static async start(options: Partial<CloudOptions> = {}): Promise<RegistryFixture> {
    const fixture = new RegistryFixture()
    fixture.#base = await CloudFixture.start({ now: () => fixture.clock, ...options })
    return fixture
  }

  get base(): CloudFixture {
    assert.ok(this.#base)
    return this.#base
  }

  get registry(): CloudRegistry {
    return this.base.cloud.registry('contoso')
  }

  /** @param path of the registry, or a whole URL */
  send(method: string, path: string, options?: SendOptions): Promise<Answer> {
    return this.base.send(method, path.startsWith('https://') ? path : `https://${server}${path}`, options)
  }

  async accessToken(user: User, ...scopes: readonly string[]): Promise<string> {
    const query = new URLSearchParams({ service: server })
    for (const scope of scopes) query.append('scope', scope)
    const answer = await this.send('GET', `/oauth2/token?${query.toString()}`, {
      headers: { authorization: basic(user) }
    })
    assert.equal(answer.status, 200, answer.text)
    return tokenIn(answer)
  }

  /** Headers with an access token of the registry token `reader-1`, made for it. */
  async bearer(actions: readonly string[], ...scopes: readonly string[]): Promise<Record<string, string>> {
    const token = await this.accessToken(this.registry.addToken('reader-1', actions), ...scopes)
    return { authorization: `Bearer ${token}`, ...accept }
  }

  close(): Promise<void> {
    return this.base.close()
  }
}

export function basic(user: User): string {
  return `Basic ${Buffer.from(`${user.username}:${user.password}`).toString('base64')}`
}

/** The access token that an answer held. */
export function tokenIn(answer: Answer): string {
  return (answer.json as { access_token: string }).access_token
}

export function claimsOf(token: string): ParsedJson {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as unknown
}
