import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { ServerCertificate } from '../simulator/certificates.ts'
import { Program } from './real-tools.ts'

/** Whether the workers must be told not to give up root's rights: nobody cannot write in our temporary folder. */
const isRoot = process.getuid?.() === 0

/**
 * A real nginx that routes as IoT Edge's API proxy does where `CONNECTED_ACR_ROUTE_ADDRESS` is set: `/v2` and `/acr` only, with
 * `X-Forwarded-Host` and `-Proto`, and the upstream's name for `Host` (facts connected-registry.md, section 6).
 */
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
    await mkdir(join(this.#folder, 'temporary'), { recursive: true })
    await writeFile(join(this.#folder, 'server.crt'), this.#certificate.cert)
    await writeFile(join(this.#folder, 'server.key'), this.#certificate.key, { mode: 0o600 })
    this.#port = await freePort()
    await this.#resolve(upstream)
    await writeFile(join(this.#folder, 'nginx.conf'), this.#configuration())
    this.#program = new Program('nginx', ['-p', this.#folder, '-c', join(this.#folder, 'nginx.conf')])
    await this.#program.says(/start worker process /)
  }

  /** The registry has another address now, and nginx looks its name up again: it does so when it reloads, and never else. */
  async reload(upstream: string): Promise<void> {
    if (this.#program === undefined) throw new Error('nginx was not started')
    await this.#resolve(upstream)
    const { length } = this.#program.said
    this.#program.signal('SIGHUP')
    // The old workers answer until they have closed their ports.
    await this.#program.says(/worker process \d+ exited/, length)
  }

  async stop(): Promise<void> {
    await this.#program?.end('SIGTERM')
  }

  /** What a resolver would say of the name that the proxy was given. */
  async #resolve(upstream: string): Promise<void> {
    await writeFile(join(this.#folder, 'names.conf'), `upstream connected-registry { server ${upstream}; }\n`)
  }

  #configuration(): string {
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `  ${name}_temp_path temporary/${name};\n`
    )
    const location = (path: string): string => `
    location ${path} {
      proxy_http_version 1.1;
      proxy_pass http://connected-registry;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      client_max_body_size 1000G;
    }
`
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
    listen 127.0.0.1:${this.#port} ssl;
    ssl_certificate server.crt;
    ssl_certificate_key server.key;
    ssl_protocols TLSv1.2;
    ssl_verify_client optional_no_ca;
${location('/v2')}${location('/acr')}  }
}
`
  }
}

/** nginx takes no port 0; between this and its start nobody else is likely to be given the same one. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
