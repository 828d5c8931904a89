import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hashPassword } from '../module/settings/password-hash.ts'
import { bundle, root } from '../packaging/bundle.ts'
import { nodeFlags, nodeVariables } from '../packaging/runtime.ts'
import { makeCertificate, type Certificate } from './certificate.ts'
import type { Content } from './content.ts'
import { end, freePort, isInstalled, listening, speaksTls, start } from './processes.ts'

/** A server that answers. */
export interface Running {
  readonly name: string
  readonly port: number
  readonly pid: number
  /**
   * What each request carries, fresh: bearer tokens last for minutes.
   *
   * @param repository the image's own where it is not given
   */
  headers(repository?: string): Promise<Record<string, string>>
  /** Where the same content is served over TLS, from the first call on. Registries only. */
  readonly encrypted?: () => Promise<{ readonly port: number; readonly pid: number; readonly trust: string }>
  /** Puts further settings into force, beside those it was started with. Causeway only. */
  readonly configure?: (changes: object) => Promise<void>
  /** Told of each line of its log. @returns what takes the listener away again */
  readonly lines?: (listener: (line: string) => void) => () => void
  stop(): Promise<void>
}

/** A server that may be measured. */
export interface Candidate {
  readonly name: string
  /** Whether it speaks the distribution API, with writes; a mere file server only gives blobs out. */
  readonly isRegistry: boolean
  /** Why it cannot be started here, or undefined. */
  readonly missing: string | undefined
  /**
   * @param folder its own, which may hold what an earlier start has left
   * @param core what it is bound to; undefined leaves it all of them
   */
  start(folder: string, core: string | undefined): Promise<Running>
}

// The distribution registry gives OCI manifests only to who asks for them.
const accept = { Accept: 'application/vnd.oci.image.manifest.v1+json' } as const
export const user = { name: 'bench', password: 'bench-password' } as const
export const causewayName = 'causeway'
export const withoutFfiName = 'causeway without FFI'
/** What ratios are to. */
export const peerName = 'docker-registry'

/** @param content the blobs' files, for the server of plain files */
export function candidates(content: Content): Candidate[] {
  return [
    causeway(causewayName, {}),
    causeway(withoutFfiName, { CAUSEWAY_BENCH_NO_SENDFILE: '1' }),
    distribution(peerName, 'docker-registry'),
    distribution('distribution v3', process.env['BENCH_DISTRIBUTION_V3']),
    nginx(content)
  ]
}

/**
 * The module as it is started on a device, with every request authorised by a bearer token.
 *
 * @param variables of its environment, beside its own
 */
export function causeway(name: string, variables: Readonly<Record<string, string>>): Candidate {
  return {
    name,
    isRegistry: true,
    missing: undefined,
    async start(folder, core) {
      const file = join(folder, 'settings.json')
      const hash = await hashPassword(user.password)
      let inForce: object = settingsWith(hash)
      const configure = async (changes: object): Promise<void> => {
        inForce = { ...inForce, ...changes }
        await writeFile(`${file}.new`, JSON.stringify(inForce))
        await rename(`${file}.new`, file)
      }
      await configure({})
      const port = await freePort()
      const preload = variables['CAUSEWAY_BENCH_NO_SENDFILE'] === undefined ? [] : ['--import', withoutFfi]
      const child = start(process.execPath, [...nodeFlags, ...preload, await program()], core, {
        ...nodeVariables,
        CAUSEWAY_SETTINGS: file,
        CAUSEWAY_DATA: join(folder, 'data'),
        CAUSEWAY_LISTEN: `127.0.0.1:${port}`,
        ...variables
      })
      const encrypted = once(async () => {
        const pair = await makeCertificate(folder)
        await configure({ registry: { tls: { source: 'files', ...pair } } })
        await speaksTls(port)
        return { port, pid: child.pid ?? 0, trust: pair.certificate }
      })
      const headers = async (repository?: string): Promise<Record<string, string>> => ({
        ...accept,
        Authorization: `Bearer ${await token(port, repository)}`
      })
      const server = { ...(await running(name, child, port, headers)), configure, encrypted, lines: linesOf(child) }
      // It listens before it has read its settings.
      for (const deadline = Date.now() + 10_000; ;) {
        try {
          await token(port)
          return server
        } catch (error) {
          if (Date.now() < deadline) continue
          await server.stop()
          throw error
        }
      }
    }
  }
}

/** The bundle, as on a device, where packages that it does not hold are found. @returns what is started */
const program = once(async () => {
  const folder = join(root, 'dist/bench')
  await bundle('module', folder)
  return join(folder, 'main.js')
})

function settingsWith(hash: string): object {
  const actions = ['content/read', 'content/write', 'content/delete', 'metadata/read']
  return {
    schemaVersion: '1.0',
    mode: 'ReadWrite',
    logLevel: 'Warning',
    scopeMaps: { all: { actions: actions.map((action) => `repositories/*/${action}`) } },
    tokens: { bench: { scopeMap: 'all', passwords: { password1: { hash } } } },
    storage: { reserveMebibytes: 0 }
  }
}

export async function token(port: number, repository = 'bench/app'): Promise<string> {
  const scopes = [`repository:${repository}:pull,push,delete,metadata_read`, 'registry:catalog:*']
  const query = scopes.map((scope) => `scope=${encodeURIComponent(scope)}`).join('&')
  const reply = await fetch(`http://127.0.0.1:${port}/oauth2/token?service=bench&${query}`, { headers: basic() })
  if (!reply.ok) throw new Error(`no token: ${reply.status} ${await reply.text()}`)
  return ((await reply.json()) as { token: string }).token
}

/** Credentials for Causeway's token endpoint. */
export function basic(): Record<string, string> {
  return { Authorization: `Basic ${Buffer.from(`${user.name}:${user.password}`).toString('base64')}` }
}

/** Makes the package look as if it were not installed. */
const withoutFfi = `data:text/javascript,${encodeURIComponent(
  "import { registerHooks } from 'node:module';" +
    "registerHooks({ resolve(name, context, next) { if (name === 'koffi') throw new Error('not installed'); return next(name, context) } })"
)}`

function distribution(name: string, command: string | undefined): Candidate {
  return {
    name,
    isRegistry: true,
    missing:
      command === undefined
        ? 'set BENCH_DISTRIBUTION_V3 to its binary: go install github.com/distribution/distribution/v3/cmd/registry@v3.0.0'
        : isInstalled(command) || existsSync(command)
          ? undefined
          : `${command} is not installed`,
    async start(folder, core) {
      const serve = async (tls?: Certificate): Promise<Running> => {
        const port = await freePort()
        const config = join(folder, tls === undefined ? 'config.yml' : 'config-tls.yml')
        const more = tls === undefined ? '' : `, tls: {certificate: ${tls.certificate}, key: ${tls.key}}`
        await writeFile(
          config,
          [
            'version: 0.1',
            'log: {level: error, accesslog: {disabled: true}}',
            `storage: {filesystem: {rootdirectory: ${join(folder, 'data')}}, delete: {enabled: true}, maintenance: {uploadpurging: {enabled: false}}}`,
            `http: {addr: "127.0.0.1:${port}"${more}}`
          ].join('\n')
        )
        const child = start(command ?? name, ['serve', config], core, { OTEL_TRACES_EXPORTER: 'none' })
        return running(name, child, port, () => Promise.resolve(accept))
      }
      const plain = await serve()
      let second: Running | undefined
      // Another process over the same files: it has one listener.
      const encrypted = once(async () => {
        const pair = await makeCertificate(folder)
        second = await serve(pair)
        return { port: second.port, pid: second.pid, trust: pair.certificate }
      })
      const stop = async (): Promise<void> => {
        await Promise.all([plain.stop(), second?.stop()])
      }
      return { ...plain, encrypted, stop }
    }
  }
}

/** What a kernel can do: files sent as they are, without asking anybody. */
function nginx({ repository, blobs }: Content): Candidate {
  return {
    name: 'nginx',
    isRegistry: false,
    missing: isInstalled('nginx') ? undefined : 'nginx is not installed',
    async start(folder, core) {
      const port = await freePort()
      const tree = join(folder, `v2/${repository}/blobs`)
      await mkdir(tree, { recursive: true })
      for (const { path, digest } of blobs.values()) await symlink(path, join(tree, digest)).catch(() => undefined)
      const config = join(folder, 'nginx.conf')
      await writeFile(
        config,
        [
          `user root; worker_processes 1; pid ${join(folder, 'pid')}; error_log ${join(folder, 'error.log')};`,
          'events { worker_connections 512; }',
          'http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;',
          `  server { listen 127.0.0.1:${port}; root ${folder}; } }`
        ].join('\n')
      )
      const child = start('nginx', ['-c', config, '-p', folder, '-g', 'daemon off;'], core)
      return running('nginx', child, port, () => Promise.resolve({}))
    }
  }
}

/** The same promise for every call. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let promise: Promise<T> | undefined
  return () => (promise ??= work())
}

function linesOf(child: ChildProcess): NonNullable<Running['lines']> {
  return (listener) => {
    let rest = ''
    const take = (chunk: Buffer): void => {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop() ?? ''
      lines.forEach(listener)
    }
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', take)
    return () => {
      for (const stream of [child.stdout, child.stderr]) stream?.off('data', take)
    }
  }
}

async function running(name: string, child: ChildProcess, port: number, headers: Running['headers']): Promise<Running> {
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)))
  try {
    await listening(port)
    return { name, port, pid: child.pid ?? 0, headers, stop: () => end(child) }
  } catch (error) {
    await end(child)
    throw new Error(`${name} did not start: ${said}`, { cause: error })
  }
}
