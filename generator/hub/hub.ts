/** A twin as far as the generator reads it. */
export interface HubTwin {
  readonly deviceId: string
  readonly moduleId: string
  readonly etag: string
  readonly connectionState?: string
  /** Without `$version` and `$metadata`. */
  readonly desired: Readonly<Record<string, unknown>>
  readonly desiredVersion: number
  /** When the desired half last changed, by the hub's clock. */
  readonly desiredAt?: string
  readonly reported: Readonly<Record<string, unknown>>
  /** When the device last reported anything, as the hub's clock had it. */
  readonly reportedAt?: string
  /** When each top-level reported property last changed, by the same clock. */
  readonly reportedTimes?: Readonly<Record<string, string>>
}

/** What the generator needs of an IoT hub. */
export interface Hub {
  /** Undefined where there is no such device or module. */
  twin(deviceId: string, moduleId: string): Promise<HubTwin | undefined>
  /**
   * Merges a patch into the desired half (RFC 7396).
   *
   * @returns the twin's new version, or `changed` where the etag no longer holds
   */
  patchDesired(twin: HubTwin, patch: Readonly<Record<string, unknown>>): Promise<number | 'changed'>
  /** Gives a device this deployment manifest, in place of all it had. */
  apply(deviceId: string, content: { readonly modulesContent: object }): Promise<void>
  /** Twins of all modules of this name, page by page. */
  modulesNamed(moduleId: string): AsyncIterable<HubTwin>
  close(): void
}
