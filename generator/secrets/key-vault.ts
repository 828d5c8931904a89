import { z } from 'zod'
import { GeneratorError } from '../errors.ts'
import { atOnce } from '../hub/at-once.ts'
import { tokenRecord, type SecretsBackend, type TokenRecord, type TokenRecords } from './store.ts'

/** A key vault as far as passwords need one; `vault-client.ts` is it, on the wire. */
export interface Vault {
  /** `https://name.vault.azure.net` */
  readonly url: string
  /** Names of its secrets, without the deleted ones. */
  names(): AsyncIterable<string>
  /** The newest version of a secret, or undefined where there is none of that name. */
  get(name: string): Promise<VaultSecret | undefined>
  /** Adds a version, and gives its id. */
  set(name: string, value: string): Promise<string>
}

export interface VaultSecret {
  readonly value: string
  /** The id of this version. */
  readonly version: string
}

const schema = z.strictObject({ version: z.literal(1), registry: z.string(), token: z.string(), record: tokenRecord })

/** Reads, or writes, under way at one time: far below what a vault allows in ten seconds. */
const callsAtOnce = 8

/**
 * Passwords in an Azure key vault: one secret for each token, with both of its slots, since a secret's name takes letters,
 * digits and hyphens only. A vault knows neither locks nor etags, so a write looks whether it follows the version that was
 * read, and afterwards whether it is the newest: of two writers at the same time one is told, before Azure is asked for
 * anything.
 */
export class KeyVaultBackend implements SecretsBackend {
  readonly #vault: Vault
  readonly #versions = new Map<string, string>()

  constructor(vault: Vault) {
    this.#vault = vault
  }

  get place(): string {
    return this.#vault.url
  }

  async read(registry: string): Promise<TokenRecords> {
    const prefix = nameOf(registry, '')
    const names: string[] = []
    for await (const name of this.#vault.names()) if (name.toLowerCase().startsWith(prefix)) names.push(name)
    const records: Record<string, TokenRecord> = {}
    await atOnce(names, callsAtOnce, async (name) => {
      const secret = await this.#vault.get(name)
      const parsed = secret === undefined ? undefined : this.#parse(name, secret.value)
      // Names can look alike where a registry's has a hyphen; the value tells whose it is.
      if (secret === undefined || parsed?.registry !== registry) return
      this.#versions.set(name.toLowerCase(), secret.version)
      records[parsed.token] = parsed.record
    })
    return Object.fromEntries(Object.entries(records).sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  async write(registry: string, records: TokenRecords): Promise<void> {
    await atOnce(Object.entries(records), callsAtOnce, ([token, record]) => this.#writeOne(registry, token, record))
  }

  async #writeOne(registry: string, token: string, record: TokenRecord): Promise<void> {
    const name = nameOf(registry, token)
    const before = await this.#vault.get(name)
    if (before?.version !== this.#versions.get(name)) throw this.#changed(name)
    const version = await this.#vault.set(name, JSON.stringify({ version: 1, registry, token, record }))
    const after = await this.#vault.get(name)
    if (after?.version !== version) throw this.#changed(name)
    this.#versions.set(name, version)
  }

  lock(): Promise<{ release(): Promise<void> }> {
    return Promise.resolve({ release: () => Promise.resolve() })
  }

  #parse(name: string, text: string): z.output<typeof schema> {
    try {
      return schema.parse(JSON.parse(text))
    } catch {
      throw new GeneratorError(
        'SECRETS_INVALID',
        `secret ${name} in ${this.place} is not one that causeway wrote in this version. Make the version before it the newest again, or delete and purge it: its passwords are then made anew`
      )
    }
  }

  #changed(name: string): GeneratorError {
    return new GeneratorError(
      'SECRETS_CHANGED',
      `secret ${name} in ${this.place} was changed by somebody else at the same time; run this again when they are done`
    )
  }
}

/** `causeway-mycontainerregistry001-plant-client` */
function nameOf(registry: string, token: string): string {
  return `causeway-${registry.split('.', 1)[0] ?? ''}-${token}`.toLowerCase()
}
