import { fileURLToPath } from 'node:url'

/** What a program may ask about the container it runs in. */
export interface ContainerContext {
  readonly module: string
  readonly hostName: string
  /** The loopback port that stands for a port of the container. */
  port(containerPort: number): number
  /** The folder on this machine behind a path in the container: the bind's, or one that goes with the container. */
  folder(target: string): string
  /** `module:port` on the module network → loopback port, of what runs at this moment. */
  readonly names: Readonly<Record<string, number>>
}

/** What a pulled image does when it runs. */
export type Program =
  /** Part of the pretend device; nothing is started. `ports` says which of its ports lead somewhere. */
  | { readonly kind: 'builtin'; readonly ports?: Readonly<Record<number, number>> }
  | {
      readonly kind: 'process'
      readonly command: readonly [string, ...string[]]
      /** Ports it listens on, whether published or not. */
      ports(environment: Readonly<Record<string, string>>): readonly number[]
      /** What only a container would give it; `environment` is what edgeAgent and the deployment give. */
      environment(context: ContainerContext, environment: Readonly<Record<string, string>>): Record<string, string>
    }

/** By the image's label `org.opencontainers.image.title`; an image with another label, or none, does nothing. */
export type Programs = Readonly<Record<string, Program>>

const root = new URL('../../', import.meta.url)

/** @param mqttPort where the device's edgeHub speaks MQTT */
export function standardPrograms(mqttPort: number): Programs {
  return {
    'causeway-module': {
      kind: 'process',
      command: [process.execPath, fileURLToPath(new URL('module/main.ts', root))],
      ports: () => [8080],
      environment: (context) => ({
        CAUSEWAY_LISTEN: `127.0.0.1:${context.port(8080)}`,
        CAUSEWAY_DATA: context.folder('/var/acr/data')
      })
    },
    'azureiotedge-api-proxy': {
      kind: 'process',
      command: [process.execPath, fileURLToPath(new URL('simulator/api-proxy/main.ts', root))],
      ports: (environment) => [proxyPort(environment)],
      environment: (context, environment) => ({
        SIMULATOR_HOSTNAME: context.hostName,
        SIMULATOR_NAMES: JSON.stringify(context.names),
        SIMULATOR_LISTEN: `127.0.0.1:${context.port(proxyPort(environment))}`
      })
    },
    'azureiotedge-hub': { kind: 'builtin', ports: { 8883: mqttPort } },
    'azureiotedge-agent': { kind: 'builtin' },
    'azureiotedge-diagnostics': { kind: 'builtin' },
    'hello-world': { kind: 'builtin' }
  }
}

const defaultProxyPort = 8000

function proxyPort(environment: Readonly<Record<string, string>>): number {
  const port = Number(environment['NGINX_DEFAULT_PORT'])
  return Number.isInteger(port) && port > 0 && port < 65536 ? port : defaultProxyPort
}
