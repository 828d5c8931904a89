import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto'
import { promisify } from 'node:util'
import { SettingsError } from './errors.ts'

const scryptAsync = promisify(
  scrypt as (
    password: string,
    salt: Buffer,
    length: number,
    options: ScryptOptions,
    callback: (error: Error | null, key: Buffer) => void
  ) => void
)

/** 16 MiB and about 45 ms on a small core: dear for a guesser, bearable once per password on a gateway. */
const logCost = 14
const blockSize = 8
const parallelization = 1
const hashBytes = 32

/** Bounds what a document from outside may make the device compute: 64 MiB at the most. */
const highestLogCost = 16
const pattern = /^\$scrypt\$ln=(\d{1,2}),r=8,p=1\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})$/

/**
 * Hashes a client token's password for the settings, in the PHC string form `$scrypt$ln=14,r=8,p=1$salt$hash`.
 * Salted, so it is computed once when the password is stored: hashing again gives other bytes.
 *
 * @param salt 16 bytes; random where it is not given
 *
 * @see https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md
 */
export async function hashPassword(password: string, salt: Buffer = randomBytes(16)): Promise<string> {
  const key = await derive(password, salt, logCost)
  return `$scrypt$ln=${logCost},r=${blockSize},p=${parallelization}$${unpadded(salt)}$${unpadded(key)}`
}

/** Whether `text` is a hash this module can verify, in form and within its cost limits. */
export function isPasswordHash(text: string): boolean {
  const logN = Number(pattern.exec(text)?.[1])
  return logN >= 10 && logN <= highestLogCost
}

/**
 * Compares a password with a stored hash, in constant time after the derivation.
 *
 * @throws {SettingsError} `PASSWORD_HASH_INVALID` where `hash` is none
 */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  const [, logN, salt, expected] = pattern.exec(hash) ?? []
  if (!isPasswordHash(hash) || salt === undefined || expected === undefined)
    throw new SettingsError('PASSWORD_HASH_INVALID', 'not a password hash; `causeway provision` makes them')
  const actual = await derive(password, Buffer.from(salt, 'base64'), Number(logN))
  return timingSafeEqual(actual, Buffer.from(expected, 'base64'))
}

function derive(password: string, salt: Buffer, logN: number): Promise<Buffer> {
  const cost = 2 ** logN
  return scryptAsync(password, salt, hashBytes, {
    N: cost,
    r: blockSize,
    p: parallelization,
    maxmem: 256 * cost * blockSize
  })
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
