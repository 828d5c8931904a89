import { createHash } from 'node:crypto'

/**
 * What a device reports of the credential that its parent took last (`credential.fingerprint`): tells two passwords of one
 * token apart, and gives neither away.
 */
export function credentialFingerprint(tokenName: string, password: string): string {
  return createHash('sha256').update(`${tokenName}\n${password}`).digest('hex').slice(0, 12)
}
