import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Access } from './access/access.ts'
import type { AuditLog } from './access/audit-log.ts'
import type { Log } from './log/log.ts'
import { createRegistry, type RegistryOptions } from './registry/registry.ts'
import { createHttpServer, type Handler } from './registry/server.ts'
import { switchTls } from './registry/tls.ts'
import type { Settings } from './settings/document.ts'
import type { Environment } from './settings/environment.ts'
import type { Status } from './status/status.ts'
import { TlsKeeper, type TlsKeeperOptions } from './tls-keeper.ts'

export interface ServingOptions {
  readonly content: RegistryOptions['content']
  readonly access: Access
  readonly audit: AuditLog
  readonly status: Pick<Status, 'setFault' | 'clearFault'>
  readonly log: Log
  /** What answers beside the registry, and before it: health, metrics. */
  readonly handlers: readonly Handler[]
  /** A certificate from IoT Edge, where there is one. */
  readonly fetchCertificate: TlsKeeperOptions['fetch']
  readonly onMissing: NonNullable<RegistryOptions['onMissing']>
  readonly lineage: NonNullable<RegistryOptions['lineage']>
  readonly incomplete: NonNullable<RegistryOptions['incomplete']>
}

/** Everything that listens: the registry and its neighbours on one port, with TLS where the settings want it. */
export class Serving {
  readonly #server: ReturnType<typeof createHttpServer>
  readonly #encryption: ReturnType<typeof switchTls>
  readonly #tls: TlsKeeper
  #settings: Settings | undefined

  constructor({
    content,
    access,
    audit,
    status,
    log,
    handlers,
    fetchCertificate,
    onMissing,
    lineage,
    incomplete
  }: ServingOptions) {
    const registry = createRegistry({
      content,
      authorizer: access,
      tokens: access,
      log,
      mode: () => this.#settings?.mode ?? 'ReadOnly',
      challenge: () => this.#settings?.registry.challenge ?? 'Bearer',
      trustsProxy: access.isTrustedProxy,
      audit: { record: (entry) => audit.record({ ...entry }) },
      missingContent: () => this.#settings?.registry.missingContent ?? 'accepted',
      onMissing,
      lineage,
      incomplete
    })
    this.#server = createHttpServer([...handlers, registry], log)
    this.#encryption = switchTls(this.#server)
    this.#tls = new TlsKeeper({
      log,
      use: (pair) => this.#encryption.use(pair),
      fetch: fetchCertificate,
      report: (fault) =>
        fault === undefined ? status.clearFault('CertificateUnusable') : status.setFault('CertificateUnusable', fault)
    })
  }

  configure(settings: Settings | undefined): void {
    this.#settings = settings
    this.#tls.configure(settings?.registry.tls)
  }

  /**
   * @returns `http://host:port`
   * @throws where the address is taken
   */
  async listen({ host, port }: Environment['listen']): Promise<string> {
    this.#server.listen(port, host)
    await once(this.#server, 'listening')
    const bound = this.#server.address() as AddressInfo
    return `http://${bound.address.includes(':') ? `[${bound.address}]` : bound.address}:${bound.port}`
  }

  /** Takes no further connection; what is under way goes on until {@link close}. */
  stopListening(): void {
    this.#server.close()
    this.#tls.close()
    this.#encryption.close()
  }

  close(): void {
    this.#server.closeAllConnections()
  }
}
