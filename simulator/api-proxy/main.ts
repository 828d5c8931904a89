import { startApiProxy } from './proxy.ts'
import { readRouting } from './routing.ts'
import { fetchIdentity } from './workload.ts'

/*
 * The pretend azureiotedge-api-proxy, started by the pretend edgeAgent with the environment of the real one and three
 * variables of the simulator's own in place of a container's network: SIMULATOR_LISTEN (host:port), SIMULATOR_HOSTNAME
 * (the device's name) and SIMULATOR_NAMES (JSON: the module network's names).
 */

const { env: environment } = process

function write(line: string): void {
  process.stdout.write(line)
}

async function main(): Promise<void> {
  const [host = '127.0.0.1', port = '0'] = (environment['SIMULATOR_LISTEN'] ?? '').split(':')
  const identity = await fetchIdentity(environment, environment['SIMULATOR_HOSTNAME'] ?? 'localhost')
  const proxy = await startApiProxy(
    {
      ...identity,
      routing: readRouting(environment),
      names: JSON.parse(environment['SIMULATOR_NAMES'] ?? '{}') as Record<string, number>,
      proxyUrl: environment['https_proxy'] ?? '',
      log: write
    },
    { host, port: Number(port) }
  )
  write(`listening on ${host}:${proxy.port}\n`)
  process.once('SIGTERM', () => void proxy.close())
}

try {
  await main()
} catch (error) {
  // As nginx: what cannot start is an [emerg] line and exit code 1, and edgeAgent starts it again later.
  write(`nginx: [emerg] ${(error as Error).message}\n`)
  process.exitCode = 1
}
