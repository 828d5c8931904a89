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
/**
 * Mebibytes that the module's heap may have, twice what it needs: V8 collects all it can before it gives up, so that
 * what stays of each guess shows as a module that ends, however fast the machine is.
 */
const heapLimit = 96

describe('wrong logins through the API proxy', () => {
  const parent = useWorld()
  let folder: string
  let module: LoneModule
  let proxy: ApiProxy
  /** What a start that went wrong half way leaves too: a program that runs keeps mocha from ending. */
  const cleanUps: (() => Promise<unknown>)[] = []
  let agent: Agent
  let connect: () => Agent
  let refused = 0

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
    await module.start({ NODE_OPTIONS: `--max-old-space-size=${heapLimit}` })
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

  /**
   * Guesses at a name that is one, and at others; at the token endpoint and with Basic.
   *
   * @param goesOn asked before each guess, with how many were begun
   */
  async function guess(
    goesOn: (begun: number) => boolean,
    onProgress: (done: number) => void = () => undefined
  ): Promise<Map<number, number>> {
    const answers = new Map<number, number>()
    let begun = 0
    let done = 0
    const one = async (): Promise<void> => {
      while (goesOn(begun)) {
        const number = begun++
        const name = number % 3 === 0 ? `guessed-${number}` : 'plant-client'
        const path = number % 2 === 0 ? '/acr/oauth2/token?service=x' : '/v2/'
        const { status } = await get(path, basic(name, `wrong-${randomBytes(8).toString('hex')}`))
        answers.set(status, (answers.get(status) ?? 0) + 1)
        refused += 1
        onProgress(++done)
      }
    }
    await Promise.all(Array.from({ length: atOnce }, one))
    return answers
  }

  it('ten thousand of them neither keep a client out that knows its password, nor fill the memory', async function () {
    this.timeout(240_000)
    await pull('plant-client', 'sesame-1')
    const flood = { over: false, latecomerIsIn: false }
    const halfway = Promise.withResolvers<undefined>()
    let pulls = 0
    // It goes on for as long as the others need, on whatever machine.
    const guesses = guess(
      (begun) => begun < 10_000 || pulls < 4 || !flood.latecomerIsIn,
      (done) => {
        if (done === 3000) halfway.resolve(undefined)
      }
    ).finally(() => {
      flood.over = true
      halfway.resolve(undefined)
    })
    const known = (async () => {
      for (; !flood.over; pulls += 1) await pull('plant-client', 'sesame-1')
    })()
    const late = halfway.promise.then(() => pull('latecomer', 'sesame-2')).then(() => (flood.latecomerIsIn = true))
    const [answers] = await Promise.all([guesses, known, late])
    assert.deepEqual([...answers.keys()].sort(), [401, 429])
  })

  it('do not keep it out right after a restart either', async function () {
    this.timeout(60_000)
    await module.stop()
    await module.start()
    await proxy.reload(new URL(module.origin).host)
    // nginx closes the connections of before when it reloads.
    agent.destroy()
    agent = connect()
    const guessing = guess((begun) => begun < 600)
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
    assert.ok(lines.length < refused / 2, `${lines.length} lines of ${refused} refusals`)
  })
})
