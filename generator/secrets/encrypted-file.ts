import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose'
import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { readIfPresent, writeDurably } from '../../module/settings/durable-file.ts'
import { GeneratorError } from '../errors.ts'
import { parseDocument, unusable, type SecretsDocument } from './document.ts'
import type { SecretsKey } from './key.ts'
import { lockFile, type FileLock } from './lock.ts'
import type { SecretsBackend, TokenRecords } from './store.ts'

export interface EncryptedFileOptions {
  readonly path: string
  /** @param create whether there may be a new one: where nothing is encrypted yet */
  readonly key: (create: boolean) => Promise<SecretsKey>
  /** Ends the wait for a lock that may be abandoned. */
  readonly signal: AbortSignal
  /** A plain file of an earlier release, whose content is taken over with the first write. */
  readonly predecessor?: string
  /** Told once a plain file was taken over. */
  readonly onTakenOver?: (path: string) => void
}

/**
 * A file that keeps passwords: one JSON document, encrypted with AES-256-GCM as a JWE in its compact form, 0600, replaced as
 * a whole and durably. The header names the key by its fingerprint, so that a wrong key is told from a damaged file.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7516
 */
export class EncryptedFile implements SecretsBackend {
  readonly place: string
  readonly #options: EncryptedFileOptions
  #document: SecretsDocument | undefined
  #key: SecretsKey | undefined

  constructor(options: EncryptedFileOptions) {
    this.place = options.path
    this.#options = options
  }

  /** Finds the key too: that there is none is to show before anything is made in Azure. */
  async lock(): Promise<FileLock> {
    const lock = await lockFile(this.place, { signal: this.#options.signal })
    try {
      this.#key ??= await this.#options.key((await this.#text()) === undefined)
      return lock
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  async read(registry: string): Promise<TokenRecords> {
    this.#document = await this.#load()
    return this.#document.registries[registry]?.tokens ?? {}
  }

  async write(registry: string, records: TokenRecords): Promise<void> {
    const before = (this.#document ??= await this.#load())
    const tokens = { ...before.registries[registry]?.tokens, ...records }
    const document: SecretsDocument = { version: 1, registries: { ...before.registries, [registry]: { tokens } } }
    this.#key ??= await this.#options.key((await this.#text()) === undefined)
    const text = await encrypt(document, this.#key)
    try {
      await this.#ignoreInGit()
      await writeDurably(this.place, `${text}\n`)
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? 'error'
      throw new GeneratorError(
        'OUTPUT_UNWRITABLE',
        `${this.place} cannot be written (${code}); make room or name another with --secrets, and run this again`,
        { cause }
      )
    }
    this.#document = document
    await this.#leavePredecessor()
  }

  async #load(): Promise<SecretsDocument> {
    const text = await this.#text()
    if (text !== undefined) {
      const key = (this.#key ??= await this.#options.key(false))
      return parseDocument(await decrypt(text.trim(), key, this.place), this.place)
    }
    const { predecessor } = this.#options
    const plain = predecessor === undefined ? undefined : await readText(predecessor)
    return plain === undefined || predecessor === undefined
      ? { version: 1, registries: {} }
      : parseDocument(plain, predecessor)
  }

  /** All of it stands in the encrypted file by now, on the platter. */
  async #leavePredecessor(): Promise<void> {
    const { predecessor, onTakenOver } = this.#options
    if (predecessor === undefined || (await readText(predecessor)) === undefined) return
    await rm(predecessor, { force: true })
    onTakenOver?.(predecessor)
  }

  #text(): Promise<string | undefined> {
    return readText(this.place)
  }

  /** The default folder keeps itself out of git, wherever it is made. */
  async #ignoreInGit(): Promise<void> {
    const folder = dirname(this.place)
    const ignore = join(folder, '.gitignore')
    if (basename(folder) !== '.causeway' || (await readIfPresent(ignore)) !== undefined) return
    await writeDurably(ignore, '*\n')
  }
}

/** Whether a text is a JWE in its compact form, and not JSON. */
export function isEncrypted(text: string): boolean {
  return /^eyJ[\w-]*(?:\.[\w-]*){4}\s*$/.test(text)
}

const contentType = 'application/vnd.causeway.secrets+json'

function encrypt(document: SecretsDocument, key: SecretsKey): Promise<string> {
  return new CompactEncrypt(Buffer.from(JSON.stringify(document)))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: key.id, cty: contentType })
    .encrypt(key.bytes)
}

async function decrypt(text: string, key: SecretsKey, place: string): Promise<string> {
  if (!isEncrypted(text)) throw unusable(place, 'it is no encrypted secrets file')
  const { kid } = headerOf(text, place)
  if (kid !== key.id)
    throw new GeneratorError(
      'SECRETS_KEY_WRONG',
      `${place} was encrypted with key ${String(kid)}, and ${key.source} holds ${key.id}. Nothing was changed; give the key it was made with`
    )
  try {
    const { plaintext } = await compactDecrypt(text, key.bytes, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM']
    })
    return Buffer.from(plaintext).toString('utf8')
  } catch {
    throw unusable(place, 'it was damaged or tampered with: it does not decrypt with its own key')
  }
}

function headerOf(text: string, place: string): { readonly kid?: unknown } {
  try {
    return decodeProtectedHeader(text)
  } catch {
    throw unusable(place, 'its header is damaged')
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readIfPresent(path)
  } catch (cause) {
    throw unusable(path, `it cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'error'})`)
  }
}
