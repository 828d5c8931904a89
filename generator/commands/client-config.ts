import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { containerdConfiguration } from '../client-config/containerd.ts'
import { dockerConfiguration } from '../client-config/docker.ts'
import type { Configure, EngineConfiguration } from '../client-config/engine.ts'
import { formatClientConfig } from '../client-config/format.ts'
import { k3sConfiguration } from '../client-config/k3s.ts'
import { engineNames, type Door, type EngineName } from '../client-config/names.ts'
import { podmanConfiguration } from '../client-config/podman.ts'
import { situationOf } from '../client-config/situation.ts'
import { deviceOf, type CommonOptions, type Context } from '../context.ts'
import { refuseInGit } from '../deployment/write.ts'
import { GeneratorError } from '../errors.ts'
import { writeNewFiles } from '../output/new-files.ts'
import { currentPassword } from '../secrets/current-password.ts'
import type { Site } from '../site-file/site.ts'

export interface ClientConfigOptions extends CommonOptions {
  readonly device?: string
  readonly engine?: readonly string[]
  readonly host?: string
  readonly port?: number
  readonly through?: Door
  readonly token?: string
  /** False for none. */
  readonly mirror?: readonly string[] | false
  /** A PEM file. */
  readonly ca?: string
  readonly withPassword?: boolean
  /** A folder that stands for the client's root. */
  readonly write?: string
  readonly force?: boolean
  readonly allowInGit?: boolean
  readonly output: 'text' | 'json'
}

const configurations: Readonly<Record<EngineName, Configure>> = {
  docker: dockerConfiguration,
  podman: podmanConfiguration,
  containerd: containerdConfiguration,
  k3s: k3sConfiguration
}

/** Tells what a client machine needs to pull from a device, and writes its files where that is asked for. */
export async function clientConfig(context: Context, options: ClientConfigOptions): Promise<void> {
  const site = await context.site()
  const device = deviceOf(site, options.device)
  const engines = engineNames.filter((name) => options.engine?.includes(name) ?? true)
  if (options.withPassword === true && options.write === undefined)
    throw new GeneratorError('USAGE', '--with-password goes into files, not on the screen: say where with --write')
  const situation = situationOf(site, device, {
    host: options.host,
    port: options.port,
    through: options.through,
    token: options.token,
    mirrors: options.mirror === false ? [] : [...new Set(options.mirror ?? [site.loginServer])],
    certificate: options.ca === undefined ? undefined : await readCertificate(options.ca, context.io.workingFolder)
  })
  const password = options.withPassword === true ? await passwordOf(context, site, situation.token) : undefined
  const configured = engines.map((name) => configurations[name](situation, password))
  if (password !== undefined && !configured.some(({ files }) => files.some(({ holdsPassword }) => holdsPassword)))
    throw new GeneratorError(
      'USAGE',
      `--with-password is for containerd and k3s; a login is kept by ${engines.join(' and ')} itself`
    )
  for (const warning of situation.warnings) context.stderr.write(`warning: ${warning}\n`)
  const passwordFrom = situation.token === undefined ? undefined : showCommand(options, situation.token)
  context.stdout.write(
    formatClientConfig({ device: device.id, situation, engines: configured, passwordFrom }, options.output)
  )
  if (options.write !== undefined) await write(context, options, configured, options.write)
}

async function write(
  context: Context,
  options: ClientConfigOptions,
  configured: readonly EngineConfiguration[],
  folder: string
): Promise<void> {
  const root = resolve(context.io.workingFolder, folder)
  const files = configured
    .flatMap(({ files }) => files)
    .map(({ path, content, holdsPassword }) => ({
      path: join(root, path),
      content,
      mode: holdsPassword ? (0o600 as const) : (0o644 as const)
    }))
  if (options.allowInGit !== true)
    for (const { path, mode } of files)
      if (mode === 0o600) await refuseInGit([path], 'write somewhere else, or use --allow-in-git')
  const written = new Set(
    await writeNewFiles(files, {
      replace: options.force === true,
      instead: '--force goes over what is there',
      signal: context.io.signal
    })
  )
  for (const { path, mode } of files)
    context.stderr.write(
      `${written.has(path) ? 'wrote' : 'unchanged'} ${path}${mode === 0o600 ? ', which holds a password' : ''}\n`
    )
  if (files.length === 0) context.stderr.write('nothing to write: the login alone is enough\n')
}

async function passwordOf(context: Context, site: Site, token: string | undefined): Promise<string> {
  if (token === undefined) throw new GeneratorError('USAGE', '--with-password: this device has no client token')
  const store = await context.secrets(site, 'read')
  return currentPassword(store, token, new Date(), store.place)
}

/** @throws {GeneratorError} `CERTIFICATE_UNREADABLE`, or `CERTIFICATE_INVALID`, also for one that comes with its key */
async function readCertificate(file: string, workingFolder: string): Promise<string> {
  let text: string
  try {
    text = await readFile(resolve(workingFolder, file), 'utf8')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'error'
    throw new GeneratorError('CERTIFICATE_UNREADABLE', `${file} cannot be read (${code})`, { cause })
  }
  if (text.includes('PRIVATE KEY'))
    throw new GeneratorError('CERTIFICATE_INVALID', `${file} holds a private key: give the certificate alone`)
  try {
    new X509Certificate(text)
  } catch (cause) {
    throw new GeneratorError('CERTIFICATE_INVALID', `${file} is no certificate in PEM`, { cause })
  }
  return text.endsWith('\n') ? text : `${text}\n`
}

/** What prints the password that a login reads. */
function showCommand({ site, secrets }: ClientConfigOptions, token: string): string {
  const more = Object.entries({ '--site': site, '--secrets': secrets })
  const words = more.flatMap(([name, value]) => (value === undefined ? [] : [name, value]))
  return ['causeway', 'secrets', 'show', token, ...words].map(shellWord).join(' ')
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
