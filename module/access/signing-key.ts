import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Log } from '../log/log.ts'

/** As long as HS256's hash (RFC 7518, section 3.2). */
const keyBytes = 32

/**
 * Reads the key that bearer tokens are signed with, or makes one on the first start. It is kept, so that tokens go on
 * working over a restart; a lost or damaged one only makes clients ask for new tokens.
 *
 * @param folder made where it is absent
 */
export async function loadSigningKey(folder: string, log: Log): Promise<Uint8Array> {
  const path = join(folder, 'token-signing-key')
  const kept = await readFile(path).catch(() => undefined)
  if (kept?.length === keyBytes) return kept
  if (kept !== undefined) log.warn('the key that signs bearer tokens was damaged; clients will log in anew', { path })
  const key = randomBytes(keyBytes)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  // Whole or not at all, whenever the power goes: written beside, then renamed over.
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(key)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  const entry = await open(dirname(path), 'r')
  try {
    await entry.sync()
  } finally {
    await entry.close()
  }
  return key
}
