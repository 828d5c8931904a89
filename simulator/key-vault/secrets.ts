import { randomUUID } from 'node:crypto'
import { VaultError } from './errors.ts'

export interface SecretVersion {
  readonly name: string
  /** Without the version. */
  readonly id: string
  readonly version: string
  readonly value: string
  readonly contentType?: string
  /** Milliseconds. */
  readonly created: number
}

export interface DeletedSecret {
  readonly secret: SecretVersion
  readonly deletedAt: number
}

type Versions = readonly [SecretVersion, ...SecretVersion[]]

/** The secrets of one vault: each with its versions, newest first, and those that are deleted and can be had back. */
export class VaultSecrets {
  readonly #host: string
  readonly #now: () => number
  /** By name in lower case: a vault knows no two names that differ in case only. */
  readonly #secrets = new Map<string, Versions>()
  readonly #deleted = new Map<string, { readonly versions: Versions; readonly at: number; readonly readyAt: number }>()

  /** @param host `name.vault.azure.net` */
  constructor(host: string, now: () => number) {
    this.#host = host
    this.#now = now
  }

  list(): SecretVersion[] {
    return [...this.#secrets.values()].map(([newest]) => newest)
  }

  versions(name: string): readonly SecretVersion[] {
    return this.#secrets.get(name.toLowerCase()) ?? []
  }

  get(name: string, version: string | undefined): SecretVersion {
    const versions = this.versions(name)
    const found = version === undefined ? versions[0] : versions.find((each) => each.version === version)
    if (found !== undefined) return found
    throw new VaultError(
      'SecretNotFound',
      `A secret with (name/id) ${name} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command.`
    )
  }

  set(name: string, { value, contentType }: { readonly value: string; readonly contentType?: string }): SecretVersion {
    const key = name.toLowerCase()
    const deleted = this.#deleted.get(key)
    if (deleted !== undefined) throw this.#stillDeleted(name, deleted)
    const secret: SecretVersion = {
      name,
      id: `https://${this.#host}/secrets/${name}`,
      version: randomUUID().replaceAll('-', ''),
      value,
      ...(contentType === undefined ? {} : { contentType }),
      created: this.#now()
    }
    this.#secrets.set(key, [secret, ...(this.#secrets.get(key) ?? [])])
    return secret
  }

  delete(name: string, takes: number): DeletedSecret {
    const key = name.toLowerCase()
    const versions = this.#secrets.get(key)
    if (versions === undefined) return { secret: this.get(name, undefined), deletedAt: 0 }
    this.#secrets.delete(key)
    const at = this.#now()
    this.#deleted.set(key, { versions, at, readyAt: at + takes })
    return { secret: versions[0], deletedAt: at }
  }

  deleted(name: string): DeletedSecret {
    const { versions, at } = this.#needDeleted(name)
    return { secret: versions[0], deletedAt: at }
  }

  recover(name: string): SecretVersion {
    const { versions } = this.#needDeleted(name)
    this.#deleted.delete(name.toLowerCase())
    this.#secrets.set(name.toLowerCase(), versions)
    return versions[0]
  }

  purge(name: string): void {
    this.#needDeleted(name)
    this.#deleted.delete(name.toLowerCase())
  }

  #needDeleted(name: string): { readonly versions: Versions; readonly at: number } {
    const deleted = this.#deleted.get(name.toLowerCase())
    if (deleted !== undefined && deleted.readyAt <= this.#now()) return deleted
    throw new VaultError('SecretNotFound', `Deleted Secret not found: ${name}`)
  }

  #stillDeleted(name: string, { readyAt }: { readonly readyAt: number }): VaultError {
    return readyAt > this.#now()
      ? new VaultError('ObjectIsBeingDeleted', `Secret ${name} is currently being deleted.`)
      : new VaultError(
          'ObjectIsDeletedButRecoverable',
          `Secret ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged.`
        )
  }
}
