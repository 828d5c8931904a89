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
  /** Automatic deployments that the hub has put on this device, by id; on the twin of `$edgeAgent` only. */
  readonly configurations?: Readonly<Record<string, { readonly status: string }>>
}

/** An automatic deployment (or a layer of one), as the hub keeps it. Its content never changes. */
export interface HubConfiguration {
  readonly id: string
  readonly etag: string
  readonly labels: Readonly<Record<string, string>>
  readonly content: Readonly<Record<string, unknown>>
  readonly targetCondition: string
  readonly priority: number
  readonly createdAt: string
  /** Counts of devices, as the hub last made them up: `targetedCount` and its siblings. */
  readonly systemMetrics: Readonly<Record<string, number>>
}

export type NewConfiguration = Pick<HubConfiguration, 'id' | 'labels' | 'content' | 'targetCondition' | 'priority'>

/** What became of a direct method: `silent` is a device that is there and gives no answer in time. */
export type MethodOutcome =
  | { readonly kind: 'answered'; readonly status: number; readonly payload: unknown }
  | { readonly kind: 'offline' }
  | { readonly kind: 'silent' }

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
  /** Calls a direct method. @param seconds to wait for an answer, 5 to 300 */
  invoke(deviceId: string, moduleId: string, method: string, payload: unknown, seconds: number): Promise<MethodOutcome>
  /** All automatic deployments of the hub, other people's too. */
  configurations(): Promise<readonly HubConfiguration[]>
  /** Undefined where there is none of this id. */
  configuration(id: string): Promise<HubConfiguration | undefined>
  /** Makes one; one of this id that is there already stays as it is. */
  createConfiguration(configuration: NewConfiguration): Promise<'created' | 'exists'>
  /** Changes what can be changed. @returns `changed` where the etag no longer holds */
  updateConfiguration(
    configuration: HubConfiguration,
    change: Partial<Pick<HubConfiguration, 'targetCondition' | 'priority' | 'labels'>>
  ): Promise<HubConfiguration | 'changed'>
  /**
   * Agents that have this automatic deployment and last said that they refuse what they were given: this, or the one before,
   * where they have not looked at this one. Page by page, so that whoever has seen enough may stop.
   */
  refusing(configurationId: string): AsyncIterable<HubTwin>
  /** One that is gone already is no error. */
  removeConfiguration(id: string): Promise<void>
  close(): void
}
