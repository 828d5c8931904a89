import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createAccess } from './access/access.ts'
import { answerHealth } from './health.ts'
import type { LineLog } from './log/log.ts'
import { ParentKeeper } from './parent-keeper.ts'
import { createRegistry } from './registry/registry.ts'
import { createHttpServer } from './registry/server.ts'
import { SettingsKeeper } from './settings-keeper.ts'
import type { Settings } from './settings/document.ts'
import type { Environment } from './settings/environment.ts'
import { followSettingsFile } from './settings/file.ts'
import { LastGoodFile } from './settings/last-good.ts'
import { resolveParent } from './settings/parent.ts'
import { createStatus } from './status/status.ts'
import { openStorage } from './storage/open-storage.ts'
import { readLastSync } from './sync/last-sync.ts'
import { createSync, type Sync } from './sync/sync.ts'
import { followTwin } from './twin-side.ts'
import { version } from './version.ts'

export interface RunningModule {
  /** `http://host:port` */
  readonly address: string
  /** Ends everything in order; what was acknowledged is on disk before and after. */
  close(): Promise<void>
}

export interface ModuleOptions {
  readonly environment: Environment
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly log: LineLog
}

/** A sync without settings only proves the credentials, as often as a sync with the default interval would. */
const nothingToSync = { imageSets: {}, intervalMinutes: 15 } as const

/**
 * Makes every room, joins them, and starts them: first what serves, with what is on disk; then what needs a network.
 *
 * @throws where the data folder cannot be used or the address is taken; settings, parent and hub may be absent
 */
export async function startModule({ environment, variables, log }: ModuleOptions): Promise<RunningModule> {
  const stopping = new AbortController()
  const storage = await openStorage({ folder: join(environment.dataFolder, 'storage'), log })
  const access = await createAccess({ folder: environment.dataFolder, log })
  const status = createStatus({ version, startedAt: new Date(), lastSync: await readLastSync(storage.index) })
  const parents = new ParentKeeper({ log, variables })
  const sync = createSync({ content: storage, parent: parents.current, observer: status.observe, log })

  let settings: Settings | undefined
  const apply = (given: Settings | undefined): void => {
    settings = given
    log.level = given?.logLevel ?? 'Information'
    access.configure(given ?? { scopeMaps: {}, tokens: {} })
    parents.setParent(resolveParent(environment.connection, given, environment.parentHostName))
    syncBy(sync, given)
  }
  const keeper = new SettingsKeeper({
    status,
    lastGood: new LastGoodFile(environment.dataFolder),
    log,
    howToMend: howToMend(environment),
    apply
  })
  await keeper.restore()

  const registry = createRegistry({
    content: storage,
    authorizer: access,
    tokens: access,
    log,
    mode: () => settings?.mode ?? 'ReadOnly'
  })
  const server = createHttpServer([answerHealth(status), registry], log)
  server.listen(environment.listen.port, environment.listen.host)
  await once(server, 'listening')
  const { address, port } = server.address() as AddressInfo
  const origin = `http://${address.includes(':') ? `[${address}]` : address}:${port}`
  log.info('serving', { version, address: origin, data: environment.dataFolder })

  const twin =
    environment.source.kind === 'twin'
      ? await followTwin({
          variables,
          log,
          signal: stopping.signal,
          keeper,
          status,
          progressSeconds: () => settings?.status.progressSeconds,
          syncNow: () => void sync.syncNow(),
          onTrustBundle: (bundle) => {
            if (parents.setTrustBundle(bundle)) syncBy(sync, settings)
          }
        })
      : undefined
  if (environment.source.kind === 'file')
    followSettingsFile(
      environment.source.path,
      (document, number) => void keeper.take(asRecord(document), number),
      (error) => keeper.unreadable(error.message),
      stopping.signal
    )
  sync.start()

  return {
    address: origin,
    async close() {
      stopping.abort()
      server.close()
      await sync.stop()
      await twin?.closed
      server.closeAllConnections()
      await parents.close()
      await storage.close()
    }
  }
}

function syncBy(sync: Sync, settings: Settings | undefined): void {
  sync.configure(
    settings === undefined
      ? nothingToSync
      : { imageSets: settings.imageSets, intervalMinutes: settings.sync.intervalMinutes }
  )
}

function howToMend({ source }: Environment): string {
  return source.kind === 'twin'
    ? `there are no settings in this module's twin; give it some with: causeway configure --site <site file> --device ${source.deviceId}`
    : `there are no settings in ${source.path}; "causeway schema settings" says what it may hold`
}

/** What is no object is refused by the schema, with a reason. */
function asRecord(document: unknown): Record<string, unknown> {
  return typeof document === 'object' && document !== null && !Array.isArray(document)
    ? (document as Record<string, unknown>)
    : { schemaVersion: typeof document }
}
