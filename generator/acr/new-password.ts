import type { GenerateCredentialsResult } from '@azure/arm-containerregistry'
import { GeneratorError } from '../errors.ts'
import type { NewPassword, Slot } from '../secrets/store.ts'

/** What is made of a call for passwords; nothing where the answer has no body, over which the SDK itself falls. */
export async function generated(
  call: () => PromiseLike<GenerateCredentialsResult>
): Promise<GenerateCredentialsResult> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof TypeError) return {}
    throw error
  }
}

/**
 * The password that Azure has just made, which it shows this once.
 *
 * @throws {GeneratorError} `AZURE_REFUSED` where the reply does not hold it
 */
export function newPassword(result: GenerateCredentialsResult, token: string, slot: Slot): NewPassword {
  const made = result.passwords?.find((password) => password.name === slot)
  if (made?.value === undefined)
    throw new GeneratorError(
      'AZURE_REFUSED',
      `Azure made ${slot} of token ${token} and did not show it; run this again`
    )
  return {
    value: made.value,
    creationTime: (made.creationTime ?? new Date()).toISOString(),
    ...(made.expiry === undefined ? {} : { expiry: made.expiry.toISOString() })
  }
}
