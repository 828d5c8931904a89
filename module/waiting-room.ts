import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { answerHealth } from './health.ts'
import type { KnownSettings } from './known-settings.ts'
import type { LineLog } from './log/log.ts'
import { OciError } from './oci/errors.ts'
import { createHttpServer } from './registry/server.ts'
import { secretsOf } from './secrets.ts'
import type { Environment } from './settings/environment.ts'
import { createStatus } from './status/status.ts'
import { version } from './version.ts'

export interface WaitingRoomOptions {
  readonly environment: Environment
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly log: LineLog
  readonly signal: AbortSignal
  /** @returns what keeps the module from working, or undefined once nothing does */
  readonly obstacle: () => Promise<string | undefined>
  /** Milliseconds between two looks. */
  readonly everyMs?: number
}

const lookEvery = 5_000

/**
 * Waits until the module can work, and says meanwhile why it cannot: 503 at `/healthz` and to every client, `DiskError` in
 * the twin. A module that ended instead would be started again and again, and nobody could ask it what is wrong.
 *
 * @throws where the address is taken
 */
export async function untilUsable(options: WaitingRoomOptions): Promise<void> {
  const { environment, log, signal, obstacle, everyMs = lookEvery } = options
  const found = await obstacle()
  if (found === undefined) return
  const status = createStatus({ version, startedAt: new Date(), log })
  status.setFault('DiskError', found)
  const refuse = (): boolean => {
    throw new OciError('UNAVAILABLE', 'this registry cannot use its data folder; its log says what to do')
  }
  const server = createHttpServer([answerHealth(status), refuse], log)
  server.listen(environment.listen.port, environment.listen.host)
  await once(server, 'listening')
  const { address, port } = server.address() as AddressInfo
  log.error('serving nothing but its health', { address: `http://${address}:${port}`, reason: found })
  const leaving = new AbortController()
  const ended = AbortSignal.any([signal, leaving.signal])
  const twin = environment.source.kind === 'twin' ? await tellTwin(options, status, ended) : undefined
  try {
    while (!signal.aborted && (await obstacle()) !== undefined)
      await delay(everyMs, undefined, { signal }).catch(() => undefined)
  } finally {
    leaving.abort()
    await twin?.closed
    server.close()
    server.closeAllConnections()
    if (server.listening) await once(server, 'close')
  }
  if (!signal.aborted) log.info('the data folder can be used', { folder: environment.dataFolder })
}

async function tellTwin(
  { environment, variables, log }: WaitingRoomOptions,
  status: ReturnType<typeof createStatus>,
  signal: AbortSignal
): Promise<{ readonly closed: Promise<unknown> }> {
  const { createDiagnosisMethods, examineModule, followTwin, readKnownSettings } = await import('./twin-side.ts')
  const ignore = (): undefined => undefined
  let settings: KnownSettings = { verdict: { outcome: 'skipped', message: 'none have come from the twin so far' } }
  return followTwin({
    variables,
    log,
    signal,
    status,
    // There is nowhere to keep any of it; but the doctor looks whether the parent takes the credentials that are in there.
    keeper: {
      async take(document) {
        settings = await readKnownSettings(environment, document, () => Promise.resolve(undefined))
        log.secrets = secretsOf(environment, settings)
      },
      acknowledge: () => Promise.resolve()
    },
    reporting: ignore,
    budget: { load: () => Promise.resolve(undefined), save: ignore },
    methods: createDiagnosisMethods({
      examine: () => examineModule({ environment, variables, settings, log }, signal),
      recent: log.recent
    }),
    onTrustBundle: ignore,
    onConnected: ignore
  })
}
