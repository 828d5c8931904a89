import { dirname, join, resolve } from 'node:path'
import type { Acr } from './acr/acr.ts'
import type { RegistryContent } from './acr/content.ts'
import type { Management, ManagementScope } from './acr/management.ts'
import type { ShowWait } from './azure/wait.ts'
import { GeneratorError } from './errors.ts'
import type { Hub } from './hub/hub.ts'
import type { Io, Output } from './io.ts'
import { chooseStyle, createProgress, type Progress, type ProgressStyle } from './output/progress.ts'
import { Redaction } from './output/redaction.ts'
import type { Proof } from './rotation/proof.ts'
import type { Vault } from './secrets/key-vault.ts'
import type { SecretStore } from './secrets/store.ts'
import { fits } from './site-file/pattern.ts'
import { hasRegistry } from './site-file/has-registry.ts'
import type { Device, Relay, Site } from './site-file/site.ts'

/** The clouds a command speaks to; a test brings its own. Loaded only when they are needed: the SDKs are heavy. */
export interface Services {
  acr(site: Site, io: Io, showWait: ShowWait): Promise<Acr>
  management(scope: ManagementScope, io: Io, showWait: ShowWait): Promise<Management>
  hub(site: Site, io: Io): Promise<Hub>
  /** @param url `https://name.vault.azure.net` */
  vault(url: string, io: Io, showWait: ShowWait): Promise<Vault>
  content(site: Pick<Site, 'loginServer'>, io: Io): Promise<RegistryContent>
  /** Logs in to the site's cloud registry with tokens. */
  proof(site: Site, io: Io): Promise<Proof>
}

/** Options that every command has. */
export interface CommonOptions {
  readonly site?: string
  readonly secrets?: string
  readonly progress?: ProgressStyle
}

/** Whose passwords are asked for. */
export interface SecretsOwner {
  readonly loginServer: string
  readonly azure?: Pick<Site['azure'], 'keyVault'>
}

/** Milliseconds between two looks at a twin: soon enough for a person, far below a hub's throttle. */
export const twinInterval = 2000

/** What a command works with: its options resolved, its outputs guarded, its clouds opened when asked for and closed at the end. */
export class Context {
  readonly io: Io
  readonly redaction = new Redaction()
  /** Data, but for secrets; the two commands whose data is secret write to `io.stdout` itself. */
  readonly stdout: Output
  readonly stderr: Output
  readonly options: CommonOptions
  readonly #services: Services
  #acr: Promise<Acr> | undefined
  #progress: Progress | undefined
  readonly #closing: (() => void | Promise<void>)[] = []

  constructor(io: Io, services: Services, options: CommonOptions) {
    this.io = io
    this.options = options
    this.#services = services
    this.stdout = this.redaction.guard(io.stdout)
    this.stderr = this.redaction.guard(io.stderr)
    for (const name of ['AZURE_CLIENT_SECRET', 'IOTHUB_CONNECTION_STRING', 'SYSTEM_ACCESSTOKEN'])
      this.redaction.add(io.env[name] ?? '')
    this.redaction.add(/SharedAccessKey=([^;]+)/.exec(io.env['IOTHUB_CONNECTION_STRING'] ?? '')?.[1] ?? '')
  }

  get sitePath(): string {
    return this.options.site ?? this.io.env['CAUSEWAY_SITE'] ?? 'site.yaml'
  }

  /** Its schema is loaded here: commands that need no site, such as validate, start in half the time. */
  async site(): Promise<Site> {
    const { readSite } = await import('./site-file/read.ts')
    return readSite(this.sitePath, this.io.workingFolder)
  }

  /** The passwords of a site's registry, kept until the command ends. */
  async secrets(site: SecretsOwner, access: 'read' | 'write'): Promise<SecretStore> {
    const { openBackend } = await import('./secrets/open.ts')
    const { SecretStore } = await import('./secrets/store.ts')
    const backend = await openBackend({
      named: this.options.secrets ?? this.io.env['CAUSEWAY_SECRETS'],
      folder: join(dirname(resolve(this.io.workingFolder, this.sitePath)), '.causeway'),
      loginServer: site.loginServer,
      keyVault: site.azure?.keyVault,
      io: this.io,
      vault: (url) => this.#services.vault(url, this.io, this.#showWait)
    })
    const store = await SecretStore.open(backend, site.loginServer, access)
    this.#closing.push(() => store.close())
    for (const value of store.values()) this.redaction.add(value)
    return store
  }

  /** One for the whole command: what it has read of the registry's lists, nobody reads again. */
  acr(site: Site): Promise<Acr> {
    this.#acr ??= this.#services.acr(site, this.io, this.#showWait)
    return this.#acr
  }

  /** The registries of a subscription, for commands that need no site file. */
  management(scope: ManagementScope): Promise<Management> {
    return this.#services.management(scope, this.io, this.#showWait)
  }

  proof(site: Site): Promise<Proof> {
    return this.#services.proof(site, this.io)
  }

  async hub(site: Site): Promise<Hub> {
    const hub = await this.#services.hub(site, this.io)
    this.#closing.push(() => {
      hub.close()
    })
    return hub
  }

  /** The content side of the site's cloud registry. */
  async content(site: Pick<Site, 'loginServer'>): Promise<RegistryContent> {
    const content = await this.#services.content(site, this.io)
    this.#closing.push(() => content.close())
    return content
  }

  async progress(): Promise<Progress> {
    const progress = await this.#createProgress()
    this.#progress = progress
    this.#closing.push(() => {
      progress.close()
    })
    return progress
  }

  /** Takes away what is drawn of progress. */
  stopDrawing(): void {
    this.#progress?.close()
  }

  #createProgress(): Promise<Progress> {
    return createProgress(chooseStyle(this.options.progress ?? 'auto', this.io.stderr, this.io.env), this.stderr)
  }

  /** Among the command's own progress where it shows any; else by itself, gone before the command prints anything. */
  readonly #showWait: ShowWait = async (what) => {
    const progress = this.#progress ?? (await this.#createProgress())
    const task = progress.begin(what)
    return () => {
      task.end('done')
      if (progress !== this.#progress) progress.close()
    }
  }

  /** Lets go of everything, the last opened first. */
  async close(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close()
  }
}

/**
 * The devices with a registry that a command is for: all, or those named, in the order of the site file. A name may hold `*` for
 * anything.
 *
 * @throws {GeneratorError} `USAGE` for a name that fits none of the site's, or only relays
 */
export function devicesOf(site: Site, names: readonly string[] | undefined): readonly Device[] {
  const found = allDevicesOf(site, names)
  const devices = found.filter(hasRegistry)
  const relay = found.find((each) => !hasRegistry(each) && (names?.includes(each.id) === true || devices.length === 0))
  if (relay === undefined) return devices
  throw new GeneratorError(
    'USAGE',
    `${relay.id} only relays: it has no registry to be asked or told anything. Its deployment is for generate, plan, deploy and check`
  )
}

/** {@link devicesOf}, and relays, which have a deployment too. */
export function allDevicesOf(site: Site, names: readonly string[] | undefined): readonly (Device | Relay)[] {
  const all = [...Object.values(site.devices), ...Object.values(site.relays)]
  if (names === undefined || names.length === 0) return all
  const wanted = new Set(
    names.flatMap((name) => {
      const fitting = name.includes('*') ? all.filter(({ id }) => fits(id, name)) : all.filter(({ id }) => id === name)
      if (fitting.length > 0) return fitting
      throw new GeneratorError('USAGE', `the site file has no device ${name}; it has ${someOf(site)}`)
    })
  )
  return all.filter((device) => wanted.has(device))
}

/** The one device a command is for: the named one, or the only one there is. @throws {GeneratorError} `USAGE` */
export function deviceOf(site: Site, name: string | undefined): Device {
  return onlyOne(site, devicesOf(site, name === undefined ? undefined : [name]))
}

/** {@link deviceOf}, or a relay. */
export function anyDeviceOf(site: Site, name: string | undefined): Device | Relay {
  return onlyOne(site, allDevicesOf(site, name === undefined ? undefined : [name]))
}

function onlyOne<Kind>(site: Site, [device, ...others]: readonly Kind[]): Kind {
  if (device !== undefined && others.length === 0) return device
  throw new GeneratorError('USAGE', `say which device with --device: ${someOf(site)}`)
}

/** Names of devices, for a message: a fleet has thousands. */
function someOf(site: Site): string {
  const known = [...Object.keys(site.devices), ...Object.keys(site.relays)]
  return known.length > 20 ? `${known.slice(0, 20).join(', ')} and ${known.length - 20} more` : known.join(', ')
}
