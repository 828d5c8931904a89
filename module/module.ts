import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { createAccess } from './access/access.ts'
import { AuditLog } from './access/audit-log.ts'
import { ClockWatch } from './clock-watch.ts'
import { Completeness } from './completeness.ts'
import { Damage } from './damage.ts'
import { reserveWithoutSettings, watchDisk } from './disk-watch.ts'
import { FadingFault } from './fading-fault.ts'
import { answerHealth } from './health.ts'
import { howToMend } from './how-to-mend.ts'
import type { LineLog } from './log/log.ts'
import { Maintenance } from './maintenance.ts'
import { createMetrics } from './metrics.ts'
import { Notifying } from './notifying.ts'
import { PageKeeper } from './page-keeper.ts'
import { ParentKeeper } from './parent-keeper.ts'
import { PauseKeeper } from './pause-keeper.ts'
import { artifactSource } from './artifact-source.ts'
import type { ServerKeyPair } from './registry/tls.ts'
import { ReportBudget } from './report-budget.ts'
import { RequestCounter } from './request-count.ts'
import { secretsOf } from './secrets.ts'
import { Serving } from './serving.ts'
import { SettingsKeeper } from './settings-keeper.ts'
import type { Settings } from './settings/document.ts'
import { ignoredVariables, type Environment } from './settings/environment.ts'
import { followSettingsFile } from './settings/file.ts'
import { LastGoodFile } from './settings/last-good.ts'
import { resolveParent } from './settings/parent.ts'
import { createStatus } from './status/status.ts'
import type { DiskNews } from './storage/disk.ts'
import { openStorage } from './storage/open-storage.ts'
import { readLastSync } from './sync/last-sync.ts'
import { createSync, type Sync } from './sync/sync.ts'
import { readModuleIdentity } from './twin/environment.ts'
import type { TwinLink } from './twin/twin-link.ts'
import { fetchServerCertificate } from './twin/workload.ts'
import { UpwardKeeper } from './upward-keeper.ts'
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
  let tellDisk: (news: DiskNews) => void = () => undefined
  const storage = await openStorage({
    folder: join(environment.dataFolder, 'storage'),
    log,
    disk: { onChange: (news) => tellDisk(news) }
  })
  const lastSync = await readLastSync(storage.index)
  const completeness = await Completeness.read(storage.index, log)
  const status = createStatus({ version, startedAt: new Date(), lastSync, log })
  const clock = new ClockWatch(status, lastSync?.endedAt)
  // Of this process only: a data folder that was copied to another device must not make the two look like one.
  const self = randomUUID().replaceAll('-', '')
  let lineage: readonly string[] = [self]
  const parents = new ParentKeeper({
    log,
    variables,
    onCredential: (taken) => status.setCredential(taken),
    self,
    onLineage: (ids) => (lineage = [self, ...ids]),
    onClock: clock.measured,
    onCertificateTime: clock.certificateTime
  })
  tellDisk = (news) =>
    status.observe({
      kind: 'content',
      ...(news.full ? { works: false, code: 'DISK_FULL', message: news.message } : { works: true })
    })
  const insecure = new FadingFault(status, 'InsecureCredentials')
  const access = await createAccess({
    folder: environment.dataFolder,
    log,
    parent: parents.current,
    onInsecureCredentials: (address) =>
      insecure.happened(
        `credentials came over plain HTTP from ${address} and were refused: others may have read them, so renew them; then send clients through the API proxy or set registry.tls`
      )
  })
  const audit = new AuditLog({ folder: join(environment.dataFolder, 'audit'), log })
  const notifying = await Notifying.open({ environment, variables, storage, log })
  const { content } = notifying
  const upward = await UpwardKeeper.open({ content, parent: parents.current, status, log })
  const requests = new RequestCounter()
  const metrics = createMetrics({
    version,
    figures: () => status.figures(),
    requests: () => requests.counts,
    twinOnline: () => (environment.source.kind === 'twin' ? notifying.hubIsReached : undefined),
    waitingNotifications: () => notifying.waiting(),
    clockSkewSeconds: () => clock.skewSeconds,
    upward: () => upward.figures(),
    log
  })
  const page = new PageKeeper({ name: nameOf(environment), status, access, log })
  const sync = createSync({
    content,
    parent: parents.current,
    pushes: upward.pushes,
    allowance: upward.allowance,
    observer: (told) => {
      const event = parents.explain(told)
      if (event.kind === 'parent' && event.answers) upward.parentAnswers()
      // A pass that had nothing to write does not prove that there is room again.
      if (event.kind !== 'content' || !event.works || !storage.disk.isFull) status.observe(event)
      if (event.kind === 'passEnded') {
        completeness.passEnded(event, settings)
        void damage.check()
      }
      metrics.observe(event)
      page.observe(event)
    },
    log
  })
  const pause = new PauseKeeper({
    folder: environment.dataFolder,
    log,
    onChange: (paused) => {
      status.setPaused(paused)
      sync.setPaused(paused !== undefined)
      upward.setPaused(paused !== undefined)
    }
  })
  await pause.restore()

  const damage = new Damage({ storage, status, log })
  await damage.restore()
  const maintenance = new Maintenance({
    storage,
    log,
    onDamage: (digests) => {
      void damage.add(digests)
      void sync.syncNow('Recovery')
    },
    onCollected: metrics.collected
  })

  let settings: Settings | undefined
  const serving = new Serving({
    content: upward.content,
    access,
    audit,
    status,
    log,
    handlers: [requests.handle, metrics.handle, answerHealth(status), page.handle],
    fetchCertificate: environment.source.kind === 'twin' ? fetchCertificate(variables) : undefined,
    onMissing: (...missed) => sync.waitedFor(...missed),
    lineage: () => lineage,
    incomplete: () => completeness.lacksSomething(settings)
  })

  const apply = (given: Settings | undefined): void => {
    settings = given
    log.secrets = secretsOf(environment, given)
    log.level = given?.logLevel ?? 'Information'
    access.configure(given)
    insecure.clear()
    serving.configure(given)
    page.configure(given?.page)
    maintenance.configure(given)
    storage.disk.reserveBytes = (given?.storage.reserveMebibytes ?? reserveWithoutSettings) * 1024 * 1024
    status.setImageSets(Object.keys(given?.imageSets ?? {}))
    notifying.configure(given)
    if (parents.setParent(resolveParent(environment, given))) lineage = [self]
    syncBy(sync, given)
    upward.configure(given)
  }
  const keeper = new SettingsKeeper({
    status,
    lastGood: new LastGoodFile(environment.dataFolder),
    artifacts: artifactSource(environment, parents, log),
    log,
    howToMend: howToMend(environment),
    apply
  })
  await keeper.restore()

  if (environment.source.kind === 'file')
    await followSettingsFile(
      environment.source.path,
      (document, number) => keeper.take(document, number),
      (error) => keeper.unreadable(error.message),
      stopping.signal
    )
  keeper.reportMissing()
  const origin = await serving.listen(environment.listen)
  for (const line of ignoredVariables(variables)) log.warn(line)
  if (environment.connectionProblem !== undefined) log.warn(environment.connectionProblem)
  log.info('serving', { version, address: origin, data: environment.dataFolder })

  const budget = new ReportBudget(environment.dataFolder, log)
  let twin: TwinLink | undefined
  if (environment.source.kind === 'twin') {
    // The Azure SDK takes a while to load, and a module without IoT Edge has no use for it, nor for what its twin is asked.
    const { createMethods, examineModule, followTwin, probeProxy, settingsInForce } = await import('./twin-side.ts')
    twin = await followTwin({
      variables,
      log,
      signal: stopping.signal,
      keeper,
      status,
      reporting: () => settings?.status,
      budget,
      methods: createMethods({
        status,
        pause,
        cleaner: maintenance,
        examine: () =>
          examineModule(
            { environment, variables, settings: settingsInForce(environment, settings), log },
            stopping.signal
          ),
        probeProxy: (usual) => probeProxy(environment.apiProxy ?? usual, stopping.signal),
        recent: log.recent,
        upward: () => upward.entries(),
        syncNow: () => {
          if (settings !== undefined) void sync.syncNow()
          upward.sendNow()
          return settings !== undefined
        }
      }),
      onConnected: (link) => notifying.connected(link),
      onTrustBundle: (bundle) => {
        notifying.setTrustBundle(bundle)
        if (!parents.setTrustBundle(bundle)) return
        syncBy(sync, settings)
        upward.configure(settings)
      }
    })
  }
  await watchDisk({
    folder: environment.dataFolder,
    reserveBytes: () => storage.disk.reserveBytes,
    onSpace: (space) => status.setDisk(space),
    onWritable: (reason) => {
      if (reason !== undefined) status.observe({ kind: 'content', works: false, code: 'DISK_FAILED', message: reason })
      else if (!storage.disk.isFull) status.observe({ kind: 'content', works: true })
    },
    log,
    signal: stopping.signal
  })
  sync.start()
  upward.start()

  return {
    address: origin,
    async close() {
      stopping.abort()
      keeper.close()
      serving.stopListening()
      page.close()
      await Promise.all([sync.stop(), upward.stop()])
      await maintenance.close()
      await damage.close()
      await twin?.closed
      await budget.written()
      serving.close()
      insecure.clear()
      await audit.close()
      await access.close()
      await parents.close()
      await notifying.close()
      await storage.close()
    }
  }
}

function syncBy(sync: Sync, settings: Settings | undefined): void {
  sync.configure(settings === undefined ? nothingToSync : { imageSets: settings.imageSets, ...settings.sync })
}

/** Clients call this module by the gateway's name where they come through the host's port, else by its own. */
function fetchCertificate(variables: ModuleOptions['variables']): (signal: AbortSignal) => Promise<ServerKeyPair> {
  return (signal) => {
    const identity = readModuleIdentity(variables)
    return fetchServerCertificate(identity, identity.gatewayHostName?.split(':', 1)[0] ?? identity.moduleId, signal)
  }
}

/** What the people at the site call it. */
function nameOf({ source, connection }: Environment): string {
  return source.kind === 'twin' ? source.deviceId : (connection?.connectedRegistryName ?? 'Causeway')
}
