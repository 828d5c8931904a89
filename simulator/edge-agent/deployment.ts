/** What edgeAgent takes from the desired properties of `$edgeAgent`, once it has accepted them. */
export interface Deployment {
  readonly credentials: readonly RegistryCredential[]
  /** edgeAgent and edgeHub among them, by the names they report under. */
  readonly modules: readonly ModuleSpec[]
}

export interface RegistryCredential {
  /** `host[:port]`, with `$upstream` resolved. */
  readonly address: string
  readonly username: string
  readonly password: string
}

export const restartPolicies = ['never', 'on-failure', 'on-unhealthy', 'always'] as const
export type RestartPolicy = (typeof restartPolicies)[number]

export interface ModuleSpec {
  readonly name: string
  readonly system: boolean
  /** With `$upstream` resolved and a tag or digest. */
  readonly image: string
  readonly createOptions: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string>>
  readonly status: 'running' | 'stopped'
  readonly restartPolicy: RestartPolicy
  readonly imagePullPolicy: 'on-create' | 'never'
  /** 0 is edgeAgent's; the greatest comes last. */
  readonly startupOrder: number
  readonly version: string
}

/** The codes of edgeAgent's DeploymentStatusCode.cs that this simulator gives (deployment-manifests.md §1.2). */
export type DeploymentStatus = 200 | 400 | 412 | 417 | 500

/** Why a device refuses desired properties: the first thing that is wrong, as the runtime stops at it. */
export class DeploymentError extends Error {
  override readonly name = 'DeploymentError'
  readonly status: Exclude<DeploymentStatus, 200>

  constructor(status: Exclude<DeploymentStatus, 200>, message: string) {
    super(message)
    this.status = status
  }
}
