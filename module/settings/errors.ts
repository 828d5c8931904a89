/** Stable codes of what can be wrong with what the module was given. */
export type SettingsErrorCode =
  | 'ARGUMENT_UNKNOWN'
  | 'ENVIRONMENT_INVALID'
  | 'CONNECTION_STRING_INVALID'
  | 'SETTINGS_FILE_UNREADABLE'
  | 'PASSWORD_HASH_INVALID'

/** Something the module was started with cannot be used; the message says what to change. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
  readonly code: SettingsErrorCode

  constructor(code: SettingsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
