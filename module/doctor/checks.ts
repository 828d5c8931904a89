import { randomUUID } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import type { StatsFs } from 'node:fs'
import { open, rm, statfs } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import type { Check, Verdict } from './doctor.ts'

const ok = (message: string): Verdict => ({ outcome: 'ok', message })
const warning = (message: string): Verdict => ({ outcome: 'warning', message })
const failed = (message: string): Verdict => ({ outcome: 'failed', message })
export const skipped = (message: string): Verdict => ({ outcome: 'skipped', message })

/**
 * Whether this process may write in the data folder, by writing.
 *
 * @param obstacle says what keeps the module out and how that is mended, undefined where nothing does
 */
export function volume(folder: string, obstacle: () => Promise<string | undefined>): Check {
  return {
    name: 'volume',
    async look() {
      const found = await obstacle()
      if (found !== undefined) return failed(found)
      const path = join(folder, `.doctor-${randomUUID()}`)
      try {
        const file = await open(path, 'wx', 0o600)
        try {
          await file.write('written')
          await file.sync()
        } finally {
          await file.close()
          await rm(path, { force: true })
        }
        return ok(`${folder} can be written`)
      } catch (error) {
        return failed(`${folder} cannot be written (${codeOf(error)}): ${adviceFor(codeOf(error))}`)
      }
    }
  }
}

function adviceFor(code: string): string {
  return code === 'ENOSPC' ? 'the disk is full: free some of it, or narrow the image sets' : 'look at the disk (dmesg)'
}

/** @param reserveBytes what content never takes */
export function disk(folder: string, reserveBytes: number): Check {
  return {
    name: 'disk',
    async look() {
      const { bavail, blocks, bsize } = await diskOf(folder)
      const free = bavail * bsize
      const said = `${gigabytes(free)} of ${gigabytes(blocks * bsize)} are free, and ${gigabytes(reserveBytes)} are never used`
      if (free <= reserveBytes)
        return failed(
          `${said}: nothing more can be brought; free some, narrow the image sets, or lower storage.reserveMebibytes`
        )
      return free <= 2 * reserveBytes ? warning(`${said}: it will be full soon`) : ok(said)
    }
  }
}

/** That of the closest folder above where this one is not there or not to be seen: it is made on the same disk. */
async function diskOf(folder: string): Promise<StatsFs> {
  try {
    return await statfs(folder)
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'EACCES'].includes(codeOf(error)) || dirname(folder) === folder) throw error
    return diskOf(dirname(folder))
  }
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`

/** Whether the outbound proxy takes connections. @param proxy gives the one for the parent, or throws what is wrong with it */
export function proxy(proxy: () => URL | undefined): Check {
  return {
    name: 'proxy',
    async look(signal) {
      const url = proxy()
      if (url === undefined) return skipped('the parent is reached without an outbound proxy (https_proxy, no_proxy)')
      const { hostname, host, port, protocol } = url
      try {
        await connected(hostname, Number(port === '' ? (protocol === 'https:' ? 443 : 80) : port), signal)
        return ok(`${host} takes connections`)
      } catch (error) {
        return failed(`${host} takes no connection (${codeOf(error)}): check https_proxy, and the proxy itself`)
      }
    }
  }
}

/** Whether a host's name has an address here. @param resolve asks as every connection of Node does, by default */
export function names(
  host: string | undefined,
  isProxied: () => boolean,
  resolve: (host: string) => Promise<readonly { readonly address: string }[]> = (name) => lookup(name, { all: true })
): Check {
  return {
    name: 'names',
    async look() {
      if (host === undefined) return skipped('there is no name of a parent')
      if (isProxied()) return skipped(`the outbound proxy resolves ${host}`)
      try {
        const found = await resolve(host)
        return ok(`${host} is ${found.map(({ address }) => address).join(', ')}`)
      } catch (error) {
        return failed(`${host} cannot be resolved (${codeOf(error)}): check the endpoint and the DNS of this device`)
      }
    }
  }
}

export interface Hub {
  /** edgeHub's name on the module network, with a port where it is not MQTT's. */
  readonly host: string
  /** @returns PEM of the authorities that this device trusts. @throws where the workload API does not answer */
  readonly trustBundle: (signal: AbortSignal) => Promise<string>
}

/** Whether IoT Edge's workload API and edgeHub answer, and edgeHub shows a certificate of this device. */
export function hub(place: Hub | undefined): Check {
  return {
    name: 'hub',
    async look(signal) {
      if (place === undefined) return skipped('this module has its settings from a file, and no hub')
      const ca = await place.trustBundle(signal)
      const [host = '', port = '8883'] = place.host.split(':')
      const socket = connectTls({ host, port: Number(port), servername: host, ca })
      try {
        await once(socket, 'secureConnect', { signal })
        return ok(`edgeHub answers at ${host}:${port}`)
      } catch (error) {
        return failed(
          `edgeHub at ${host}:${port}: ${codeOf(error)}; look at it with: iotedge check, iotedge logs edgeHub`
        )
      } finally {
        socket.destroy()
      }
    }
  }
}

async function connected(host: string, port: number, signal: AbortSignal): Promise<void> {
  const socket = connect({ host, port, signal })
  try {
    await once(socket, 'connect')
  } finally {
    socket.destroy()
  }
}

function codeOf(error: unknown): string {
  const { code, message } = error as { readonly code?: unknown; readonly message?: string }
  return typeof code === 'string' ? code : (message ?? String(error))
}
