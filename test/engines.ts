import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '../module/oci/digest.ts'
import { isInstalled, mustRun, Program, run, type Variables } from './real-tools.ts'

/** A real container client as the tests use it. Images are `host:port/repository:tag` or `…@digest`. */
export interface Engine {
  readonly name: EngineName
  /** @returns why it cannot be used here, or undefined once it can */
  start(): Promise<string | undefined>
  /** Arguments after which it reads a password from its standard input. */
  login(registry: string, user: string): readonly string[]
  pull(image: string): readonly string[]
  /** The digest of what was pulled, as the engine keeps it: of the index, where a tag leads to one. */
  pulled(image: string): Promise<string>
  /** Takes away what was pulled, so that the next pull fetches anew. */
  forget(image: string): Promise<void>
  /** The commands that push an image it pulled under another name; only the last one speaks with a registry. */
  push(image: string, name: string): readonly (readonly string[])[]
  /** What it runs with beside credentials. */
  readonly environment: Variables
  /** Ends what {@link start} began, where it could. */
  stop(): Promise<void>
}

export const engineNames = ['skopeo', 'docker', 'podman', 'buildah'] as const
export type EngineName = (typeof engineNames)[number]

const makers: Readonly<Record<EngineName, (folder: string) => Engine>> = {
  skopeo: makeSkopeo,
  docker: makeDocker,
  podman: makePodman,
  buildah: makeBuildah
}

/** @param folder where the client keeps all that it lets be moved */
export function makeEngine(name: EngineName, folder: string): Engine {
  return makers[name](folder)
}

/** Where a client of one name looks for credentials: docker takes the folder, the others take the file in it. */
export function credentialsIn(folder: string): Variables {
  return { DOCKER_CONFIG: folder, REGISTRY_AUTH_FILE: join(folder, 'config.json') }
}

function makeSkopeo(folder: string): Engine {
  const copy = join(folder, 'skopeo')
  return {
    name: 'skopeo',
    environment: { HOME: folder, TMPDIR: folder },
    start: () => Promise.resolve(isInstalled('skopeo') ? undefined : 'skopeo is not installed'),
    login: (registry, user) => ['login', '--tls-verify=false', '-u', user, '--password-stdin', registry],
    pull: (image) => ['copy', '--all', '--src-tls-verify=false', `docker://${image}`, `dir:${copy}`],
    pulled: async () => digestOf(await readFile(join(copy, 'manifest.json'))),
    forget: () => rm(copy, { recursive: true }),
    push: (_image, name) => [['copy', '--all', '--dest-tls-verify=false', `dir:${copy}`, `docker://${name}`]],
    stop: () => Promise.resolve()
  }
}

/** A daemon of its own, in namespaces of its own: its mounts and its children end with it. */
function makeDocker(folder: string): Engine {
  const place = join(folder, 'docker')
  const environment = { HOME: folder, TMPDIR: folder, DOCKER_HOST: `unix://${place}/socket` }
  let daemon: Program | undefined
  return {
    name: 'docker',
    environment,
    async start() {
      for (const command of ['docker', 'dockerd']) if (!isInstalled(command)) return `${command} is not installed`
      if (process.getuid?.() !== 0) return 'dockerd needs root'
      daemon = new Program(
        'unshare',
        ['--fork', '--pid', '--mount-proc', '--kill-child', 'sh', '-c', dockerd, 'dockerd', place],
        { HOME: folder, TMPDIR: folder }
      )
      try {
        await daemon.says(/API listen on/)
        return undefined
      } catch (error) {
        await daemon.end('SIGKILL')
        return `dockerd does not come up here: ${(error as Error).message.trimEnd().split('\n').at(-1) ?? ''}`
      }
    },
    login: (registry, user) => ['login', '-u', user, '--password-stdin', registry],
    pull: (image) => ['pull', image],
    async pulled(image) {
      const inspect = ['image', 'inspect', '--format', '{{json .RepoDigests}}', image]
      const digests = JSON.parse(await mustRun('docker', inspect, environment)) as readonly string[]
      // One for each repository that it was pushed to or pulled from, sorted by name: those of other ports may come first.
      const own = `${image.replace(/(@.*|:[^:/]*)$/, '')}@`
      return digests.find((each) => each.startsWith(own))?.slice(own.length) ?? ''
    },
    async forget(image) {
      await mustRun('docker', ['image', 'rm', '--force', image], environment)
    },
    push: (image, name) => [
      ['tag', image, name],
      ['push', name]
    ],
    async stop() {
      await daemon?.end('SIGKILL')
    }
  }
}

// dockerd 20.10 writes a key into /etc/docker, and every one sockets into /run/docker: there, it gets memory to write into.
const dockerd = `
for outside in /etc/docker /run/docker; do mkdir -p $outside && mount -t tmpfs none $outside || exit 1; done
exec dockerd --iptables=false --ip6tables=false --bridge=none --storage-driver=vfs \
  --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" --host "unix://$1/socket"`

function makePodman(folder: string): Engine {
  const place = join(folder, 'podman')
  const environment = { HOME: folder, TMPDIR: folder }
  const own = [
    ...['--root', join(place, 'root'), '--runroot', join(place, 'run'), '--tmpdir', join(place, 'tmp')],
    ...['--network-config-dir', join(place, 'networks'), '--events-backend', 'none', '--storage-driver', 'vfs']
  ]
  const forget = async (): Promise<void> => {
    await mustRun('podman', [...own, 'rmi', '--all', '--force'], environment)
  }
  return {
    name: 'podman',
    environment,
    start: () => tryOut('podman', [...own, 'info'], environment),
    login: (registry, user) => [...own, 'login', '--tls-verify=false', '-u', user, '--password-stdin', registry],
    pull: (image) => [...own, 'pull', '--tls-verify=false', image],
    pulled: (image) => mustRun('podman', [...own, 'image', 'inspect', '--format', '{{.Digest}}', image], environment),
    forget,
    push: (image, name) => [[...own, 'push', '--tls-verify=false', image, name]],
    // Without root, layers are the engine's to remove.
    stop: forget
  }
}

function makeBuildah(folder: string): Engine {
  const place = join(folder, 'buildah')
  const environment = { HOME: folder, TMPDIR: folder }
  const own = ['--root', join(place, 'root'), '--runroot', join(place, 'run'), '--storage-driver', 'vfs']
  const forget = async (): Promise<void> => {
    await mustRun('buildah', [...own, 'rmi', '--all', '--force'], environment)
  }
  return {
    name: 'buildah',
    environment,
    start: () => tryOut('buildah', [...own, 'info'], environment),
    login: (registry, user) => [...own, 'login', '--tls-verify=false', '-u', user, '--password-stdin', registry],
    pull: (image) => [...own, 'pull', '--tls-verify=false', image],
    async pulled() {
      const images = await mustRun('buildah', [...own, 'images', '--json'], environment)
      return (JSON.parse(images) as readonly { readonly digest: string }[]).map(({ digest }) => digest).join()
    },
    forget,
    push: (image, name) => [[...own, 'push', '--tls-verify=false', image, `docker://${name}`]],
    // Without root, layers are the engine's to remove.
    stop: forget
  }
}

async function tryOut(command: string, words: readonly string[], environment: Variables): Promise<string | undefined> {
  if (!isInstalled(command)) return `${command} is not installed`
  const { code, stderr } = await run(command, words, environment)
  return code === 0 ? undefined : `${command} does not run here: ${stderr.trim()}`
}
