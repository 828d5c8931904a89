import { GeneratorError } from '../errors.ts'
import type { Secrets } from './store.ts'

/**
 * For everything but a rotation that makes or takes away a password: while one is under way it knows what is in both slots, and that
 * the new one was proved before a device was told.
 *
 * @throws {GeneratorError} `ROTATION_PENDING`
 */
export function refuseWhilePending(secrets: Secrets, token: string): void {
  if (secrets.rotation?.(token) === undefined) return
  throw new GeneratorError(
    'ROTATION_PENDING',
    `the password of token ${token} is being changed; let causeway rotate --resume end that first`
  )
}
