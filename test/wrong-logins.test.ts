import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { digestOf } from '../module/oci/digest.ts'
import { layer, manifest, portOf, useWorld } from '../module/registry/world.test.ts'
import { CertificateAuthority } from '../simulator/certificates.ts'
import { readersOf } from './guarded-module.ts'
import { LoneModule } from './lone-module.ts'
import { ApiProxy } from './nginx.ts'
import { isInstalled, skip } from './real-tools.ts'

/** Requests at the same time; as many connections, all from the proxy's one address. */
const atOnce = 64
const mebibyte = 1024 * 1024

describe('wrong logins through the API proxy', () => {
  const parent = useWorld()
  let folder: string
  let module: LoneModule
  let proxy: ApiProxy
  /** What a start that went wrong half way leaves too: a program that runs keeps mocha from ending. */
  const cleanUps: (() => Promise<unknown>)[] = []
  let agent: Agent
  let connect: () => Agent

  before(async function () {
    this.timeout(60_000)
    if (!isInstalled('nginx')) skip(this, 'nginx is not installed')
    folder = await mkdtemp(join(tmpdir(), 'causeway-wrong-logins-'))
    cleanUps.push(() => rm(folder, { recursive: true }))
    const authority = await CertificateAuthority.create()
    const { certificate } = authority
    connect = () => new Agent({ keepAlive: true, maxSockets: 2 * atOnce, ca: certificate })
    agent = connect()
    cleanUps.push(() => {
      agent.destroy()
      return Promise.resolve()
    })
    module = new LoneModule(folder)
    const endpoint = `127.0.0.1:${portOf(parent.server)}`
    await module.write(
      await readersOf('samples/app:1.0', endpoint, { 'plant-client': 'sesame-1', latecomer: 'sesame-2' })
    )
    await module.start()
    cleanUps.push(() => module.stop())
    await module.logs(/image ready/)
    proxy = new ApiProxy(join(folder, 'nginx'), await authority.issue(['127.0.0.1']))
    await proxy.start(new URL(module.origin).host)
    cleanUps.push(() => proxy.stop())
  })
  after(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
  })

  async function get(path: string, authorization: string): Promise<{ status: number; body: Buffer }> {
    const sent = request(`https://${proxy.host}${path}`, { agent, headers: { authorization } }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    return { status: response.statusCode ?? 0, body: await buffer(response) }
  }
  const basic = (name: string, password: string): string =>
    `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`

  /** What a container engine does: a token, the manifest, a layer. Everything must be answered with 200. */
  async function pull(name: string, password: string): Promise<void> {
    const scope = 'repository:samples/app:pull'
    const answer = await get(`/acr/oauth2/token?service=x&scope=${scope}`, basic(name, password))
    assert.equal(answer.status, 200, answer.body.toString())
    const bearer = `Bearer ${JSON.parse(answer.body.toString()).token as string}`
    const { status, body } = await get('/v2/samples/app/manifests/1.0', bearer)
    assert.deepEqual([status, digestOf(body)], [200, digestOf(manifest)])
    const blob = await get(`/v2/samples/app/blobs/${digestOf(layer)}`, bearer)
    assert.deepEqual([blob.status, digestOf(blob.body)], [200, digestOf(layer)])
  }

  /** Guesses at a name that is one, and at others; at the token endpoint and with Basic. */
  async function guess(
    count: number,
    onProgress: (done: number) => void = () => undefined
  ): Promise<Map<number, number>> {
    const answers = new Map<number, number>()
    let begun = 0
    let done = 0
    const one = async (): Promise<void> => {
      while (begun < count) {
        const number = begun++
        const name = number % 3 === 0 ? `guessed-${number}` : 'plant-client'
        const path = number % 2 === 0 ? '/acr/oauth2/token?service=x' : '/v2/'
        const { status } = await get(path, basic(name, `wrong-${randomBytes(8).toString('hex')}`))
        answers.set(status, (answers.get(status) ?? 0) + 1)
        onProgress(++done)
      }
    }
    await Promise.all(Array.from({ length: atOnce }, one))
    return answers
  }

  /** Bytes that the module's process has resident. */
  async function resident(): Promise<number> {
    const text = await readFile(`/proc/${module.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]) * 1024
  }

  it('ten thousand of them neither keep a client out that knows its password, nor fill the memory', async function () {
    this.timeout(240_000)
    await pull('plant-client', 'sesame-1')
    const flood = { over: false }
    const halfway = Promise.withResolvers<undefined>()
    const guesses = guess(10_000, (done) => {
      if (done === 3000) halfway.resolve(undefined)
    }).finally(() => (flood.over = true))
    let pulls = 0
    const known = (async () => {
      for (; !flood.over; pulls += 1) await pull('plant-client', 'sesame-1')
    })()
    await halfway.promise
    // What a garbage collector takes its time over is there by now: from here on it must not grow with the guesses.
    const before = await resident()
    await pull('latecomer', 'sesame-2')
    assert.equal(flood.over, false, 'the latecomer came in while the others guessed')
    const answers = await guesses
    await known
    assert.deepEqual([...answers.keys()].sort(), [401, 429])
    assert.equal(answers.get(401)! + answers.get(429)!, 10_000)
    assert.ok(pulls > 3, `${pulls} pulls meanwhile`)
    const grown = (await resident()) - before
    assert.ok(grown < 96 * mebibyte, `${Math.round(grown / mebibyte)} MiB more after 7,000 more guesses`)
  })

  it('do not keep it out right after a restart either', async function () {
    this.timeout(60_000)
    await module.stop()
    await module.start()
    await proxy.reload(new URL(module.origin).host)
    // nginx closes the connections of before when it reloads.
    agent.destroy()
    agent = connect()
    const guessing = guess(600)
    await pull('plant-client', 'sesame-1')
    const answers = await guessing
    assert.ok(answers.get(429)! > 0)
  })

  it('leave no password behind, in the log or in the audit', async () => {
    await module.stop()
    const path = join(folder, 'data/causeway/audit/audit.jsonl')
    const audit = await readFile(path, 'utf8')
    assert.doesNotMatch(audit + module.log, /sesame|wrong-[0-9a-f]/)
    const lines = audit
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.ok(lines.some(({ who, action, result }) => who === 'latecomer' && action === 'pull' && result === 200))
    assert.ok(lines.some(({ who, result }) => who === 'plant-client' && result === 401))
    assert.ok(lines.length < 4000, `${lines.length} lines of 10,600 refusals`)
  })
})
