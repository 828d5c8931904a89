import type { SettingsInput } from '../module/settings/document.ts'
import { hashPassword } from '../module/settings/password-hash.ts'

/** Client tokens of a module in a test, by name, each with its password. */
export type Passwords = Readonly<Record<string, string>>

/** Settings of a module that syncs one image from a registry on loopback, for client tokens that may read it. */
export async function readersOf(image: string, parent: string, passwords: Passwords): Promise<SettingsInput> {
  const tokens: NonNullable<SettingsInput['tokens']> = {}
  for (const [name, password] of Object.entries(passwords))
    tokens[name] = { scopeMap: 'reader', passwords: { password1: { hash: await hashPassword(password) } } }
  return {
    schemaVersion: '1.0',
    parent: { endpoint: parent, protocol: 'http', tokenName: 'reader', password: 'secret' },
    imageSets: { all: { repositories: [image] } },
    scopeMaps: { reader: { actions: ['repositories/*/content/read', 'repositories/*/metadata/read'] } },
    tokens
  }
}
