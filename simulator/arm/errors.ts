/**
 * Every error that the pretend Resource Manager gives, in one place. Only the rows marked `recorded` were ever seen on the wire
 * (arm-wire §8); all others are this simulator's own reading, so clients must not be written against their codes or texts.
 *
 * `front` errors are Resource Manager's own, `{"error":{…}}`; `provider` errors are the registry service's, which adds a
 * top-level `"status":"Failed"`.
 */
const table = {
  AuthenticationFailed: [401, 'front', 'unverified'],
  InvalidAuthenticationToken: [401, 'front', 'unverified'],
  ExpiredAuthenticationToken: [401, 'front', 'unverified'],
  InvalidAuthenticationTokenAudience: [401, 'front', 'unverified'],
  MissingApiVersionParameter: [400, 'front', 'unverified'],
  NoRegisteredProviderFound: [400, 'front', 'unverified'],
  InvalidResourceType: [404, 'front', 'unverified'],
  InvalidRequestContent: [400, 'front', 'unverified'],
  RequestEntityTooLarge: [413, 'front', 'unverified'],
  SubscriptionNotFound: [404, 'front', 'unverified'],
  ResourceGroupNotFound: [404, 'front', 'unverified'],
  RegistryNotFound: [404, 'front', 'unverified'],
  MethodNotAllowed: [405, 'front', 'unverified'],
  TooManyRequests: [429, 'front', 'unverified'],
  OperationNotFound: [404, 'provider', 'unverified'],
  OperationUrlAltered: [400, 'provider', 'unverified'],
  ResourceNotFound: [404, 'provider', 'recorded'],
  InvalidResourceName: [400, 'provider', 'unverified'],
  InvalidProperty: [400, 'provider', 'unverified'],
  ImmutableProperty: [400, 'provider', 'unverified'],
  UnsupportedSku: [400, 'provider', 'unverified'],
  InvalidScopeMapAction: [400, 'provider', 'unverified'],
  TooManyScopeMapActions: [400, 'provider', 'unverified'],
  SystemScopeMap: [400, 'provider', 'unverified'],
  ScopeMapNotFound: [400, 'provider', 'unverified'],
  ScopeMapInUse: [409, 'provider', 'unverified'],
  TokenNotFound: [400, 'provider', 'unverified'],
  TokenInUse: [409, 'provider', 'unverified'],
  DataEndpointDisabled: [400, 'provider', 'unverified'],
  ParentNotFound: [400, 'provider', 'unverified'],
  ModeNotAllowed: [400, 'provider', 'unverified'],
  SyncTokenInUse: [409, 'provider', 'unverified'],
  ConnectedRegistryHasChildren: [409, 'provider', 'unverified'],
  QuotaExceeded: [403, 'provider', 'unverified'],
  OperationInProgress: [409, 'provider', 'unverified'],
  ImportSourceNotFound: [400, 'provider', 'unverified'],
  ImportTargetExists: [409, 'provider', 'unverified'],
  NotSimulated: [400, 'provider', 'unverified']
} as const satisfies Record<string, readonly [number, 'front' | 'provider', 'recorded' | 'unverified']>

export type ArmErrorCode = keyof typeof table

/** The service's codes where they differ from the names of the table. */
const wireCodes: Partial<Record<ArmErrorCode, string>> = {
  RegistryNotFound: 'ResourceNotFound',
  ImportTargetExists: 'Conflict'
}

export class ArmError extends Error {
  readonly code: ArmErrorCode
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ArmErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.code = code
    this.headers = headers
  }

  get status(): number {
    return table[this.code][0]
  }

  toBody(): unknown {
    const error = { code: wireCodes[this.code] ?? this.code, message: this.message }
    return table[this.code][1] === 'provider' ? { error, status: 'Failed' } : { error }
  }
}

/** The one error of the provider that was recorded: only the leaf name stands in it. */
export function notFound(name: string): ArmError {
  return new ArmError('ResourceNotFound', `The resource ${name} could not be found.`)
}
