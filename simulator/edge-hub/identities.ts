import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'

/** A module as the pretend hub registered it: the generation changes when the module is removed and made anew. */
export interface ModuleIdentity {
  readonly moduleId: string
  readonly generationId: string
  readonly key: Buffer
}

/** The module identities of one device, each with a key that only the workload API signs with. */
export class Identities {
  readonly #identities = new Map<string, ModuleIdentity>()

  ensure(moduleId: string): ModuleIdentity {
    const known = this.#identities.get(moduleId)
    if (known !== undefined) return known
    const identity = { moduleId, generationId: randomUUID(), key: randomBytes(32) }
    this.#identities.set(moduleId, identity)
    return identity
  }

  get(moduleId: string): ModuleIdentity | undefined {
    return this.#identities.get(moduleId)
  }

  remove(moduleId: string): void {
    this.#identities.delete(moduleId)
  }
}

export function sign(data: Uint8Array | string, key: Buffer): Buffer {
  return createHmac('sha256', key).update(data).digest()
}

/** What came of a look at a shared access signature. */
export type TokenCheck =
  { readonly ok: true; readonly expiresAt: number } | { readonly ok: false; readonly reason: string }

/**
 * Checks `SharedAccessSignature sr=…&sig=…&se=…` as edgeHub does on CONNECT.
 *
 * @param resource what it must be for: `<hub>/devices/<device>/modules/<module>`, not encoded
 * @param now milliseconds since the epoch; `expiresAt` is in the same unit
 */
export function checkToken(token: string, resource: string, key: Buffer, now: number): TokenCheck {
  const [scheme, fields] = token.split(' ', 2)
  if (scheme !== 'SharedAccessSignature' || fields === undefined)
    return { ok: false, reason: 'not a shared access signature' }
  // `sr` is signed as it was sent, still percent-encoded.
  const encoded = /(?:^|&)sr=([^&]*)/.exec(fields)?.[1] ?? ''
  const values = new URLSearchParams(fields)
  const expiry = values.get('se') ?? ''
  if (values.get('sr') !== resource) return { ok: false, reason: `signed for ${values.get('sr') ?? 'nothing'}` }
  if (!/^\d+$/.test(expiry)) return { ok: false, reason: 'no expiry' }
  const expected = sign(`${encoded}\n${expiry}`, key)
  const given = Buffer.from(values.get('sig') ?? '', 'base64')
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    return { ok: false, reason: 'bad signature' }
  const expiresAt = Number(expiry) * 1000
  return expiresAt <= now ? { ok: false, reason: 'expired' } : { ok: true, expiresAt }
}
