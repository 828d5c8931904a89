import { randomBytes } from 'node:crypto'

/**
 * What the hub's service API refuses, with the status it answers. Codes are from the list in the SDK's own models; the texts
 * follow recorded answers where there are any (azure-sdk.md §4, deployment-manifests.md §1.5).
 */
const statuses = {
  ArgumentInvalid: 400,
  ArgumentNull: 400,
  InvalidConfigurationContent: 400,
  InvalidConfigurationTargetCondition: 400,
  InvalidProtocolVersion: 400,
  IotHubFormatError: 400,
  IotHubUnauthorizedAccess: 401,
  SystemModuleModifyUnauthorizedAccess: 401,
  ConfigurationCountLimitExceeded: 403,
  DeviceModelMaxPropertiesExceeded: 403,
  IotHubQuotaExceeded: 403,
  TooManyModulesOnDevice: 403,
  ConfigurationNotFound: 404,
  DeviceNotFound: 404,
  DeviceNotOnline: 404,
  GenericNotFound: 404,
  ModuleNotFound: 404,
  GenericMethodNotAllowed: 405,
  ConfigurationAlreadyExists: 409,
  CannotModifyImmutableConfigurationContent: 409,
  DeviceAlreadyExists: 409,
  ModuleAlreadyExistsOnDevice: 409,
  PreconditionFailed: 412,
  MessageTooLarge: 413,
  ThrottlingBacklogTimeout: 429,
  ServerError: 500,
  ServiceUnavailable: 503,
  GatewayTimeout: 504
} as const

export type HubErrorCode = keyof typeof statuses

/** A refusal on its way to the one place that writes it. */
export class HubError extends Error {
  readonly code: HubErrorCode

  constructor(code: HubErrorCode, message: string) {
    super(message)
    this.name = 'HubError'
    this.code = code
  }

  get status(): number {
    return statuses[this.code]
  }
}

/** Error numbers where the hub answers with one of its two newer bodies instead of `ErrorCode:<code>;<text>`. */
const numbers: Partial<Record<HubErrorCode, number>> = {
  DeviceNotOnline: 404103,
  GatewayTimeout: 504101,
  ModuleAlreadyExistsOnDevice: 409301
}

/**
 * The body of an error. The hub has three: `{"Message":"ErrorCode:<code>;<text>"}` nearly everywhere, which is the only one
 * that the SDK can read; the same with JSON inside `Message` for direct methods (Azure/iotedge#98); and plain
 * `{errorCode, message}` for a module that exists.
 */
export function errorBody(error: HubError): Record<string, unknown> {
  const now = new Date().toISOString()
  const trackingId = `${randomBytes(16).toString('hex')}-G:1-TimeStamp:${now}`
  const errorCode = numbers[error.code]
  if (errorCode === undefined)
    return { Message: `ErrorCode:${error.code};${error.message}`, ExceptionMessage: `Tracking ID:${trackingId}` }
  const detail = { errorCode, trackingId, message: error.message, timestampUtc: now }
  if (error.code === 'ModuleAlreadyExistsOnDevice') return detail
  return { Message: JSON.stringify({ ...detail, info: {} }), ExceptionMessage: '' }
}
