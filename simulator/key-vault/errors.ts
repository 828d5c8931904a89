/** The vault's codes with their statuses; the inner one is what says most. */
const table = {
  Unauthorized: [401, 'Unauthorized', undefined],
  Forbidden: [403, 'Forbidden', 'ForbiddenByRbac'],
  SecretNotFound: [404, 'SecretNotFound', undefined],
  ObjectIsDeletedButRecoverable: [409, 'Conflict', 'ObjectIsDeletedButRecoverable'],
  ObjectIsBeingDeleted: [409, 'Conflict', 'ObjectIsBeingDeleted'],
  BadParameter: [400, 'BadParameter', undefined],
  Throttled: [429, 'Throttled', undefined],
  InternalServerError: [500, 'InternalServerError', undefined]
} as const

export type VaultErrorCode = keyof typeof table

/** A refusal, in the envelope `{"error":{"code","message","innererror":{"code"}}}`. */
export class VaultError extends Error {
  readonly code: VaultErrorCode
  readonly headers: Readonly<Record<string, string>>

  constructor(code: VaultErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.code = code
    this.headers = headers
  }

  get status(): number {
    return table[this.code][0]
  }

  toBody(): unknown {
    const [, code, inner] = table[this.code]
    return {
      error: { code, message: this.message, ...(inner === undefined ? {} : { innererror: { code: inner } }) }
    }
  }
}
