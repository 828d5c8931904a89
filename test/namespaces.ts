import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mustRun, Program, run, type Variables } from './real-tools.ts'
import type { Ran } from './world.ts'

const prefix = 'causeway-'

/** Why network namespaces cannot be made here; undefined where they can. */
export function whyNoNamespaces(): string | undefined {
  const name = `${prefix}${process.pid}-look`
  const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' })
  if (made.error !== undefined) return 'ip (iproute2) is not installed'
  if (made.status !== 0) return `no network namespace can be made here: ${made.stderr.trim()}`
  const mounted = spawnSync('ip', ['netns', 'exec', name, 'mount', '--bind', '/etc/hosts', '/etc/hosts'])
  spawnSync('ip', ['netns', 'del', name])
  return mounted.status === 0 ? undefined : 'nothing can be mounted in a network namespace here'
}

/**
 * Namespaces in a row, each joined by a cable of its own to the one before it and to nothing else: who is not a neighbour cannot
 * be reached, and only names in a namespace's own hosts file resolve. The first is joined to this machine.
 */
export class LayeredNetwork {
  readonly #folder: string
  readonly #names: string[] = []
  /** From 198.18.0.0/15, which is for tests of networks (RFC 2544); parallel runs take other numbers. */
  readonly #third = process.pid % 256

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** @param layers from the top; each is given the names that resolve there: of the layer above, and `connected-registry` */
  static async create(layers: readonly string[]): Promise<LayeredNetwork> {
    await sweep()
    const network = new LayeredNetwork(await mkdtemp(join(tmpdir(), 'causeway-namespaces-')))
    try {
      await writeFile(join(network.#folder, 'resolv.conf'), '')
      for (const layer of layers) await network.#add(layer, layers)
      return network
    } catch (error) {
      await network.close()
      throw error
    }
  }

  /** The upper end of the cable between a layer and the one above it; 0 is between this machine and the first. */
  addressAbove(layer: number): string {
    return `198.18.${this.#third}.${4 * layer + 1}`
  }

  async close(): Promise<void> {
    // With the namespace its cables go.
    for (const name of this.#names.splice(0)) await run('ip', ['netns', 'del', name])
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** The file of a layer's namespace: for `nsenter`, where `ip netns exec` would hide the control groups. */
  fileOf(layer: string): string {
    return join('/run/netns', nameOf(layer))
  }

  /** Starts a program in a layer. */
  start(layer: string, command: readonly string[], environment: Variables = {}): Program {
    return new Program('ip', this.#words(layer, command), environment)
  }

  /** Runs a command in a layer to its end. */
  run(layer: string, command: readonly string[], environment: Variables = {}): Promise<Ran> {
    return run('ip', this.#words(layer, command), environment)
  }

  /** `ip netns exec` gives the command mounts of its own: what is mounted there is seen by nobody else. */
  #words(layer: string, command: readonly string[]): string[] {
    const mounts = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'
    const files = [join(this.#folder, `${layer}.hosts`), join(this.#folder, 'resolv.conf')]
    return ['netns', 'exec', nameOf(layer), 'sh', '-c', mounts, 'sh', ...files, ...command]
  }

  async #add(layer: string, layers: readonly string[]): Promise<void> {
    const position = layers.indexOf(layer)
    const above = position === 0 ? undefined : layers[position - 1]
    const name = nameOf(layer)
    const cable = `cw${process.pid}-${position}`
    await mustRun('ip', ['netns', 'add', name])
    this.#names.push(name)
    await mustRun('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
    await mustRun('ip', ['link', 'add', cable, 'type', 'veth', 'peer', 'name', 'above', 'netns', name])
    const upper = above === undefined ? [] : ['-n', nameOf(above)]
    if (above !== undefined) await mustRun('ip', ['link', 'set', cable, 'netns', nameOf(above)])
    await mustRun('ip', [...upper, 'address', 'add', `${this.addressAbove(position)}/30`, 'dev', cable])
    await mustRun('ip', [...upper, 'link', 'set', cable, 'up'])
    await mustRun('ip', ['-n', name, 'address', 'add', `198.18.${this.#third}.${4 * position + 2}/30`, 'dev', 'above'])
    await mustRun('ip', ['-n', name, 'link', 'set', 'above', 'up'])
    const hosts = ['127.0.0.1 localhost', '127.0.0.1 connected-registry']
    if (above !== undefined) hosts.push(`${this.addressAbove(position)} ${hostNameOf(above)}`)
    await writeFile(join(this.#folder, `${layer}.hosts`), `${hosts.join('\n')}\n`)
  }
}

/** What a layer is called where its name resolves: in the layer below it. */
export function hostNameOf(layer: string): string {
  return `${layer}.plant.example`
}

/** Lets what arrives at an address of this machine through to a port on loopback. */
export async function passOn(
  address: string,
  port: number
): Promise<{ readonly endpoint: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const onward = connect(port, '127.0.0.1')
    for (const [socket, other] of [
      [client, onward],
      [onward, client]
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  server.listen(0, address)
  await once(server, 'listening')
  return {
    endpoint: `${address}:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    }
  }
}

function nameOf(layer: string): string {
  return `${prefix}${process.pid}-${layer}`
}

/** Takes away what a test that was killed left. */
async function sweep(): Promise<void> {
  const listed = await mustRun('ip', ['netns', 'list'])
  for (const [name, pid] of listed.matchAll(new RegExp(`^${prefix}(\\d+)-\\S+`, 'gm')))
    if (!isAlive(Number(pid))) await run('ip', ['netns', 'del', name])
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
