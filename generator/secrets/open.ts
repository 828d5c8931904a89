import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { cloudOf, clouds } from '../azure/clouds.ts'
import { GeneratorError } from '../errors.ts'
import type { Io } from '../io.ts'
import { unusable } from './document.ts'
import { EncryptedFile, isEncrypted } from './encrypted-file.ts'
import { findKey, missingKey, type SecretsKey } from './key.ts'
import { KeyVaultBackend, type Vault } from './key-vault.ts'
import { environment, environmentName, plainFile } from './read-only.ts'
import type { SecretsBackend } from './store.ts'

export interface BackendRequest {
  /** What `--secrets` says: `environment`, a vault's address, or a file. */
  readonly named: string | undefined
  /** Where the file is that serves where nothing is named. */
  readonly folder: string
  /** Tells the cloud that a vault of the site is in. */
  readonly loginServer: string
  /** The vault that the site file names. */
  readonly keyVault: string | undefined
  readonly io: Io
  readonly vault: (url: string) => Promise<Vault>
}

/**
 * Where passwords are kept: what was named on the command line or in the environment, else the key vault of the site file,
 * else the encrypted file beside it.
 *
 * @throws {GeneratorError} `USAGE` for an address that is no vault's
 */
export async function openBackend(request: BackendRequest): Promise<SecretsBackend> {
  const { named, io } = request
  if (named === environmentName) return environment(io.env)
  if (named?.startsWith('https://') === true) return new KeyVaultBackend(await request.vault(vaultUrl(named)))
  if (named !== undefined) return namedFile(resolve(io.workingFolder, named), io)
  if (request.keyVault !== undefined) {
    const suffix = clouds[cloudOf(request.loginServer)].keyVault
    return new KeyVaultBackend(await request.vault(`https://${request.keyVault.toLowerCase()}.${suffix}`))
  }
  const path = join(request.folder, 'secrets.jwe')
  return new EncryptedFile({
    path,
    key: keyFor(path, io),
    signal: io.signal,
    predecessor: join(request.folder, 'secrets.json'),
    onTakenOver: (plain) =>
      io.stderr.write(`took the passwords of ${plain} over into ${path}, encrypted, and removed that file\n`)
  })
}

/** What is there decides how it is read; what is not there yet will be encrypted. */
async function namedFile(path: string, io: Io): Promise<SecretsBackend> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw unusable(path, `it cannot be read (${code ?? 'error'})`)
    text = ''
  }
  return text === '' || isEncrypted(text)
    ? new EncryptedFile({ path, key: keyFor(path, io), signal: io.signal })
    : plainFile(path, text)
}

function keyFor(path: string, io: Io): (create: boolean) => Promise<SecretsKey> {
  return async (create) => {
    const key = await findKey(io, create)
    if (key === undefined) throw missingKey(path, !create, io)
    return key
  }
}

function vaultUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const known = Object.values(clouds).some(({ keyVault }) => url?.hostname.endsWith(`.${keyVault}`) === true)
  if (url !== undefined && known && url.pathname === '/' && url.search === '' && url.port === '') return url.origin
  throw new GeneratorError('USAGE', '--secrets takes the address of a key vault, such as https://name.vault.azure.net')
}
