import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServerCertificate } from '../simulator/certificates.ts'
import { freePort } from '../bench/processes.ts'
import { Program } from './real-tools.ts'

/** Whether the workers must be told not to give up root's rights: nobody cannot write in our temporary folder. */
const isRoot = process.getuid?.() === 0

/** How IoT Edge's API proxy routes, by its environment (facts connected-registry.md, section 6). */
export type ProxyRouting =
  /** `CONNECTED_ACR_ROUTE_ADDRESS`: to the registry of this device, by a name that nginx resolves when it starts. */
  | { readonly kind: 'registry' }
  /** Without one, and with a parent: `/v2` to the same port of the parent, and nothing else. */
  | { readonly kind: 'relay'; readonly parent: string; readonly port: number; readonly trust: string }

/**
 * Writes nginx's configuration into a folder of its own: `server.crt`, `server.key`, and for a relay `trust.crt`, are there too
 * afterwards.
 *
 * @param listen `host:port`
 * @returns the arguments to start nginx with
 */
export async function configureProxy(
  folder: string,
  certificate: ServerCertificate,
  listen: string,
  routing: ProxyRouting
): Promise<string[]> {
  await mkdir(join(folder, 'temporary'), { recursive: true })
  await writeFile(join(folder, 'server.crt'), certificate.cert)
  await writeFile(join(folder, 'server.key'), certificate.key, { mode: 0o600 })
  if (routing.kind === 'relay') {
    await writeFile(join(folder, 'trust.crt'), routing.trust)
    await nameUpstream(folder, `${routing.parent}:${routing.port}`)
  }
  await writeFile(join(folder, 'nginx.conf'), configuration(listen, routing))
  return ['-p', folder, '-c', join(folder, 'nginx.conf')]
}

/** What a resolver would say of the name that the proxy was given. */
export async function nameUpstream(folder: string, upstream: string): Promise<void> {
  await writeFile(join(folder, 'names.conf'), `upstream upstream-registry { server ${upstream}; }\n`)
}

/** What nginx says once it serves. */
export const proxyServes = /start worker process /

/** A real nginx that routes as IoT Edge's API proxy does where `CONNECTED_ACR_ROUTE_ADDRESS` is set. */
export class ApiProxy {
  readonly #folder: string
  readonly #certificate: ServerCertificate
  #program: Program | undefined
  #port = 0

  /** @param folder becomes nginx's own */
  constructor(folder: string, certificate: ServerCertificate) {
    this.#folder = folder
    this.#certificate = certificate
  }

  /** `host:port` as clients address it; TLS. */
  get host(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** @param upstream `host:port` of the registry */
  async start(upstream: string): Promise<void> {
    this.#port = await freePort()
    const words = await configureProxy(this.#folder, this.#certificate, this.host, { kind: 'registry' })
    await nameUpstream(this.#folder, upstream)
    this.#program = new Program('nginx', words)
    await this.#program.says(proxyServes)
  }

  /** The registry has another address now, and nginx looks its name up again: it does so when it reloads, and never else. */
  async reload(upstream: string): Promise<void> {
    if (this.#program === undefined) throw new Error('nginx was not started')
    await nameUpstream(this.#folder, upstream)
    const { length } = this.#program.said
    this.#program.signal('SIGHUP')
    // The old workers answer until they have closed their ports.
    await this.#program.says(/worker process \d+ exited/, length)
  }

  async stop(): Promise<void> {
    await this.#program?.end('SIGTERM')
  }
}

/** `X-Forwarded-Host` and `-Proto`, and the upstream's name for `Host`. */
function toRegistry(path: string): string {
  return `
    location ${path} {
      proxy_http_version 1.1;
      proxy_pass http://upstream-registry;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      client_max_body_size 1000G;
    }
`
}

/** No `X-Forwarded-*`; the parent sees its own name for `Host`, and its certificate is looked at. */
function toParent({ parent, port }: Extract<ProxyRouting, { kind: 'relay' }>): string {
  return `
    location ~ ^/v2*. {
      proxy_http_version 1.1;
      proxy_pass https://upstream-registry$request_uri;
      proxy_set_header Host ${parent}:${port};
      proxy_ssl_name ${parent};
      proxy_ssl_server_name on;
      proxy_ssl_trusted_certificate trust.crt;
      proxy_ssl_verify on;
      proxy_ssl_verify_depth 7;
    }
`
}

function configuration(listen: string, routing: ProxyRouting): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path temporary/${name};\n`
  )
  const locations = routing.kind === 'relay' ? toParent(routing) : toRegistry('/v2') + toRegistry('/acr')
  return `${isRoot ? 'user root;\n' : ''}daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr notice;
events { worker_connections 1024; }
http {
  access_log off;
${paths.join('')}  include names.conf;
  chunked_transfer_encoding on;
  proxy_buffers 32 160k;
  proxy_buffer_size 160k;
  proxy_read_timeout 3600;
  server {
    listen ${listen} ssl;
    ssl_certificate server.crt;
    ssl_certificate_key server.key;
    ssl_protocols TLSv1.2;
    ssl_verify_client optional_no_ca;
${locations}  }
}
`
}
