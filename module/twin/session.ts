import type { Log } from '../log/log.ts'
import type { ModuleIdentity } from './environment.ts'
import type { MethodAnswer } from './method.ts'
import type { Properties } from './merge.ts'

/** A twin as it was read, with what the hub adds (`$version`). */
export interface TwinDocuments {
  readonly desired: Properties
  readonly reported: Properties
}

/** What a session tells whoever opened it. */
export interface SessionEvents {
  /** A desired patch, nulls and `$version` included. */
  desired(patch: Properties): void
  /** The connection was made anew within the session (a token was renewed): what was told meanwhile is lost. */
  reconnected(): void
  method(name: string, body: Buffer): Promise<Required<MethodAnswer>>
}

/** One connection with edgeHub, subscribed to desired patches and direct methods. It ends once and is then thrown away. */
export interface Session {
  /** Resolves with the reason when the connection is over. */
  readonly ended: Promise<Error>
  /** @throws {TwinError} `TWIN_TIMEOUT`, `TWIN_REFUSED`, `TWIN_OFFLINE`, `TWIN_FAILED` for what else the SDK says */
  getTwin(): Promise<TwinDocuments>
  /** Sends a patch of reported properties. @throws {TwinError} as {@link getTwin} */
  report(patch: Properties): Promise<void>
  /** Sends a message to an output. @throws {TwinError} as {@link getTwin} */
  send(output: string, body: unknown, properties: Readonly<Record<string, string>>): Promise<void>
  /** Ends it, whatever its state, within seconds. Nothing of it connects again. */
  close(): Promise<void>
}

export interface SessionOptions {
  readonly identity: ModuleIdentity
  /** PEM of the only authorities that edgeHub's certificate may come from. */
  readonly trustBundle: string
  readonly events: SessionEvents
  readonly openTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly tokenValidSeconds: number
  readonly tokenRenewalMarginSeconds: number
  readonly log: Log
  readonly signal: AbortSignal
}

export type OpenSession = (options: SessionOptions) => Promise<Session>
