/** Stable codes of what can go wrong between the module and IoT Edge. */
export type TwinErrorCode =
  | 'TWIN_ENVIRONMENT_INVALID'
  | 'TWIN_OFFLINE'
  | 'TWIN_TIMEOUT'
  | 'TWIN_REFUSED'
  | 'TWIN_FAILED'
  | 'TWIN_REPORT_INVALID'
  | 'WORKLOAD_UNREACHABLE'

export class TwinError extends Error {
  override readonly name = 'TwinError'
  readonly code: TwinErrorCode
  /** What edgeHub answered, with `TWIN_REFUSED`. */
  readonly status: number | undefined

  constructor(code: TwinErrorCode, message: string, options: ErrorOptions & { readonly status?: number } = {}) {
    super(message, options)
    this.code = code
    this.status = options.status
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
