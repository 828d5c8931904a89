import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isRepository, isTag } from '../module/oci/name.ts'
import type { Device } from './device.ts'
import type { Network } from './network.ts'

/** What the control API lets other programs do to the pretend world. */
export interface Controlled {
  readonly network: Network
  readonly devices: ReadonlyMap<string, Device>
  /** Pushes a small generated image into the cloud registry. */
  pushImage(repository: string, tag: string, content?: ImageContent): Promise<{ readonly digest: string }>
}

/** What the image is made of: without any of it, repository and tag decide its bytes. */
export interface ImageContent {
  /** Another seed gives the tag other bytes. */
  readonly seed?: string
  /** Bytes of each layer. */
  readonly sizes?: readonly number[]
}

export interface Control {
  /** `http://127.0.0.1:port` */
  readonly url: string
  close(): Promise<void>
}

const mostBytes = 64 * 1024
const mostLayerBytes = 1024 * 1024 * 1024
const signals = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGSTOP', 'SIGCONT'] as const

type Code = 'NOT_FOUND' | 'BODY_INVALID' | 'FAILED'
const statuses: Readonly<Record<Code, number>> = { NOT_FOUND: 404, BODY_INVALID: 400, FAILED: 500 }

class ControlError extends Error {
  readonly code: Code
  constructor(code: Code, message: string) {
    super(message)
    this.code = code
  }
}

/**
 * Starts the control API, plain HTTP with JSON on loopback, for whoever plays in the pretend world from outside:
 *
 * - `GET /devices`
 * - `POST /images` `{repository, tag, seed?, sizes?}` → `{digest}`
 * - `POST /network/sever` `{pattern}`, a regular expression on `host:port`; `POST /network/restore`
 * - `POST /devices/{id}/modules/{module}/kill` `{signal}`
 */
export async function startControl(world: Controlled): Promise<Control> {
  const server = createServer((request, response) => void serve(request, response, world))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    }
  }
}

async function serve(request: IncomingMessage, response: ServerResponse, world: Controlled): Promise<void> {
  try {
    const { pathname } = new URL(request.url ?? '/', 'http://control')
    const path = pathname.split('/').slice(1).map(decodeURIComponent)
    const answer = await route(request, path, world)
    write(response, answer === undefined ? 204 : 200, answer)
  } catch (error) {
    // A path that is not encoded well names nothing.
    const code = error instanceof ControlError ? error.code : error instanceof URIError ? 'NOT_FOUND' : 'FAILED'
    request.resume()
    write(response, statuses[code], { error: { code, message: (error as Error).message } })
  }
}

async function route(request: IncomingMessage, path: readonly string[], world: Controlled): Promise<unknown> {
  const [first, second = '', third, fourth = '', fifth] = path
  switch (`${request.method ?? ''} ${path.length} ${first ?? ''}`) {
    case 'GET 1 devices':
      return [...world.devices.values()].map(describe)
    case 'POST 1 images':
      return pushImage(await readBody(request), world)
    case 'POST 2 network':
      if (second === 'sever') sever(await readBody(request), world)
      else if (second === 'restore') world.network.restore()
      else break
      return undefined
    case 'POST 5 devices':
      if (third !== 'modules' || fifth !== 'kill') break
      kill(second, fourth, await readBody(request), world)
      return undefined
  }
  throw new ControlError('NOT_FOUND', `there is no ${request.method ?? ''} /${path.join('/')} here`)
}

function describe(device: Device): unknown {
  const { id, hostName, parentId, agent, edgeHub } = device
  return { id, hostName, parentId, mqttPort: edgeHub.port, modules: agent.modules(), log: agent.log() }
}

async function pushImage(body: Readonly<Record<string, unknown>>, world: Controlled): Promise<unknown> {
  const { repository, tag } = body
  if (typeof repository !== 'string' || !isRepository(repository))
    throw new ControlError('BODY_INVALID', 'repository must be a repository name')
  if (typeof tag !== 'string' || !isTag(tag)) throw new ControlError('BODY_INVALID', 'tag must be a tag')
  const { digest } = await world.pushImage(repository, tag, readContent(body))
  return { digest }
}

function readContent({ seed, sizes }: Readonly<Record<string, unknown>>): ImageContent {
  if (seed !== undefined && typeof seed !== 'string') throw new ControlError('BODY_INVALID', 'seed must be a string')
  const isSize = (size: unknown): size is number =>
    Number.isSafeInteger(size) && (size as number) > 0 && (size as number) <= mostLayerBytes
  if (sizes !== undefined && !(Array.isArray(sizes) && sizes.length > 0 && sizes.length <= 100 && sizes.every(isSize)))
    throw new ControlError('BODY_INVALID', `sizes must be up to 100 numbers of bytes, each at most ${mostLayerBytes}`)
  return { ...(seed === undefined ? {} : { seed }), ...(sizes === undefined ? {} : { sizes }) }
}

function sever(body: Readonly<Record<string, unknown>>, world: Controlled): void {
  const { pattern } = body
  if (typeof pattern !== 'string') throw new ControlError('BODY_INVALID', 'pattern must be a regular expression')
  try {
    world.network.sever(new RegExp(pattern))
  } catch (cause) {
    throw new ControlError('BODY_INVALID', `pattern must be a regular expression: ${(cause as Error).message}`)
  }
}

function kill(id: string, module: string, body: Readonly<Record<string, unknown>>, world: Controlled): void {
  const device = world.devices.get(id)
  if (device === undefined) throw new ControlError('NOT_FOUND', `there is no device ${id}`)
  const signal = signals.find((known) => known === (body['signal'] ?? 'SIGKILL'))
  if (signal === undefined) throw new ControlError('BODY_INVALID', `signal must be one of ${signals.join(', ')}`)
  if (!device.agent.modules().some(({ name }) => name === module))
    throw new ControlError('NOT_FOUND', `${id} has no module ${module}`)
  device.agent.kill(module, signal)
}

async function readBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > mostBytes) throw new ControlError('BODY_INVALID', `a body has at most ${mostBytes} bytes`)
    chunks.push(chunk)
  }
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString() || '{}')
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>
  } catch {
    // Said below, as for any other body that is no object.
  }
  throw new ControlError('BODY_INVALID', 'the body must be a JSON object')
}

function write(response: ServerResponse, status: number, body: unknown): void {
  if (body === undefined) response.writeHead(status).end()
  else response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}
