import { createServer } from 'node:net'
import { once } from 'node:events'

// Below the ports that the kernel hands out for `listen(0)`, so that no server of the pretend world takes one by chance
// between two starts of the same module.
const lowest = 20_000
const highest = 32_000
const taken = new Set<number>()

/**
 * Sets a free port on 127.0.0.1 aside for one container.
 *
 * @throws {Error} when none is found
 */
export async function takePort(): Promise<number> {
  for (let attempt = 0; attempt < 1000; attempt += 1) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest))
    if (taken.has(port)) continue
    taken.add(port)
    if (await isFree(port)) return port
    taken.delete(port)
  }
  throw new Error(`no free port on 127.0.0.1 from ${lowest} to ${highest}`)
}

export function givePortBack(port: number): void {
  taken.delete(port)
}

/** Whether nothing listens on the port now. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  server.listen({ port, host: '127.0.0.1', exclusive: true })
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}

/** The ports a device publishes: each belongs to one container, as docker insists. */
export class HostPorts {
  readonly #ports = new Map<number, { readonly owner: string; readonly port: number | undefined }>()

  /**
   * @param port the loopback port behind it, or undefined for one that only occupies the number
   * @throws {Error} when another container holds it
   */
  publish(hostPort: number, owner: string, port: number | undefined): void {
    const holder = this.#ports.get(hostPort)?.owner
    if (holder !== undefined && holder !== owner)
      throw new Error(`Bind for 0.0.0.0:${hostPort} failed: port is already allocated to ${holder}`)
    this.#ports.set(hostPort, { owner, port })
  }

  /** Takes everything of one container away and returns the numbers. */
  release(owner: string): number[] {
    const gone = [...this.#ports].filter(([, entry]) => entry.owner === owner).map(([hostPort]) => hostPort)
    for (const hostPort of gone) this.#ports.delete(hostPort)
    return gone
  }

  find(hostPort: number): number | undefined {
    return this.#ports.get(hostPort)?.port
  }
}
