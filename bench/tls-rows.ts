import { canMakeCertificates } from './certificate.ts'
import { blobSizes } from './content.ts'
import { cpuSeconds, isInstalled, output } from './processes.ts'
import type { Row } from './rows.ts'
import { causewayName } from './servers.ts'

const mega = 1e6
/** Of one connection in a second, roughly; what is left over by a faster one goes to nobody. */
const blobsPerSecond = 12
const size = '64 MiB'

/**
 * Blobs over TLS, read by curl, which decrypts at little cost: as HTTP/1.1, and as what a client gets that would rather have
 * HTTP/2, as Go's do. Causeway offers HTTP/1.1 alone.
 */
export function tlsRows(seconds: number): Row[] {
  if (!canMakeCertificates || !isInstalled('curl')) return []
  return [1, 4].flatMap((connections) =>
    (['HTTP/1.1', 'HTTP/2'] as const).map((version): Row => {
      return {
        name: `blob GET ${size} over TLS, ${version === 'HTTP/2' ? 'HTTP/2 where offered' : version}, ${connections} connections`,
        unit: 'MB/s',
        needs: size,
        isFor: (name, isRegistry) => isRegistry && (name === causewayName || !name.startsWith(causewayName)),
        async run(server, { repository, blobs }) {
          if (server.encrypted === undefined) throw new Error(`${server.name} cannot be asked for TLS`)
          const { port, pid, trust } = await server.encrypted()
          const count = Math.max(1, Math.ceil((blobsPerSecond * seconds) / connections))
          const url = `https://127.0.0.1:${port}/v2/${repository}/blobs/${blobs.get(size)?.digest ?? ''}?n=[1-${count}]`
          const headers = Object.entries(await server.headers()).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
          const words = ['--silent', '--show-error', '--fail', '--noproxy', '*', '--cacert', trust, ...headers]
          const how = version === 'HTTP/2' ? '--http2' : '--http1.1'
          const before = cpuSeconds(pid)
          const began = performance.now()
          await Promise.all(
            Array.from({ length: connections }, () => output('curl', [...words, how, '-o', '/dev/null', url]))
          )
          const elapsed = (performance.now() - began) / 1000
          const bytes = blobSizes[size] * count * connections
          return { value: bytes / mega / elapsed, cpu: ((cpuSeconds(pid) - before) / bytes) * 1e9 }
        }
      }
    })
  )
}
