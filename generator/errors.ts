/**
 * Exit codes, after Terraform's (2 means "differences"), so that a pipeline can tell why a command stopped.
 * 130 is the shell's own for Ctrl-C.
 */
export const exitCodes = {
  ok: 0,
  error: 1,
  differences: 2,
  invalid: 3,
  unauthorized: 4,
  conflict: 5,
  cancelled: 130
} as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Every code that a command can end with, and the exit code that goes with it. Codes stay once they are released. */
const table = {
  USAGE: 'error',
  NOT_CONFIRMED: 'error',
  SITE_UNREADABLE: 'error',
  SITE_INVALID: 'invalid',
  TEMPLATE_UNREADABLE: 'error',
  TEMPLATE_INVALID: 'invalid',
  MANIFEST_UNREADABLE: 'error',
  MANIFEST_INVALID: 'invalid',
  MANIFEST_HAS_REFERENCES: 'invalid',
  VALIDATION_FAILED: 'invalid',
  SETTINGS_INVALID: 'invalid',
  SETTINGS_TOO_LARGE: 'invalid',
  SETTINGS_NOT_PUSHED: 'unauthorized',
  OUTPUT_IN_GIT: 'error',
  OUTPUT_UNWRITABLE: 'error',
  OUTPUT_EXISTS: 'conflict',
  CERTIFICATE_UNREADABLE: 'error',
  CERTIFICATE_INVALID: 'invalid',
  SECRETS_INVALID: 'error',
  SECRETS_LOCKED: 'conflict',
  SECRETS_CHANGED: 'conflict',
  SECRETS_DELETED: 'conflict',
  SECRETS_READ_ONLY: 'error',
  SECRETS_KEY_MISSING: 'error',
  SECRETS_KEY_INVALID: 'error',
  SECRETS_KEY_WRONG: 'error',
  SECRET_MISSING: 'error',
  SECRET_EXPIRED: 'error',
  SECRET_IN_ARGUMENTS: 'error',
  IMPORT_INVALID: 'invalid',
  IMPORT_UNREADABLE: 'error',
  PASSWORD_HELD_ELSEWHERE: 'conflict',
  PASSWORD_SUPERSEDED: 'conflict',
  PASSWORDS_BOTH_TAKEN: 'conflict',
  PASSWORD_NOT_TAKEN: 'error',
  TOKEN_DISABLED: 'conflict',
  ROTATION_PENDING: 'conflict',
  CONNECTED_REGISTRY_DIFFERS: 'conflict',
  RESOURCES_WOULD_GO: 'conflict',
  REGISTRY_FULL: 'error',
  SKU_TOO_SMALL: 'error',
  HUB_MISMATCH: 'error',
  CLOUD_MISMATCH: 'error',
  PLAN_UNREADABLE: 'error',
  PLAN_STALE: 'conflict',
  IMAGES_ABSENT: 'error',
  PROXY_NOT_RESTARTED: 'error',
  DEPLOYMENT_DIFFERS: 'invalid',
  DEPLOYMENT_MIXED: 'conflict',
  DEPLOYMENT_FAILED: 'error',
  HUB_FULL: 'error',
  MODULES_WOULD_GO: 'conflict',
  DEVICE_UNKNOWN: 'error',
  MODULE_UNKNOWN: 'error',
  DEPLOYMENT_REFUSED: 'error',
  SETTINGS_REFUSED: 'error',
  AZURE_UNAUTHORIZED: 'unauthorized',
  AZURE_FORBIDDEN: 'unauthorized',
  AZURE_NOT_FOUND: 'error',
  AZURE_CONFLICT: 'conflict',
  AZURE_QUOTA: 'error',
  AZURE_REFUSED: 'error',
  AZURE_THROTTLED: 'error',
  AZURE_UNAVAILABLE: 'error',
  AZURE_UNREACHABLE: 'error',
  TIMED_OUT: 'error',
  CANCELLED: 'cancelled',
  UNEXPECTED: 'error'
} as const satisfies Record<string, keyof typeof exitCodes>

export type GeneratorErrorCode = keyof typeof table

/**
 * Something a person can act on: a stable code, what happened, and what to do about it. `details` are further findings, one
 * line each, as of a file with several mistakes. None of it holds a secret.
 */
export class GeneratorError extends Error {
  override readonly name = 'GeneratorError'
  readonly code: GeneratorErrorCode
  readonly details: readonly string[]

  constructor(
    code: GeneratorErrorCode,
    message: string,
    options: { readonly details?: readonly string[]; readonly cause?: unknown } = {}
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? []
  }

  get exitCode(): ExitCode {
    return exitCodes[table[this.code]]
  }
}

/**
 * One error for several: the first gives code and sentence, the others stand above it.
 *
 * @throws {GeneratorError} where there is any
 */
export function throwAll([first, ...others]: readonly GeneratorError[]): void {
  if (first === undefined) return
  const details = others.flatMap((error) => [...error.details, `${error.code} ${error.message}`])
  throw new GeneratorError(first.code, first.message, { details: [...details, ...first.details] })
}
