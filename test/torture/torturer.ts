import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** A number from 0 to below 1, the same again for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface Image {
  readonly digest: string
  readonly manifest: Buffer
  readonly blobs: readonly Buffer[]
}

/** What a tag may name: one image or nothing where an answer came, either of two where the kill came first. */
type Possible = readonly (Image | undefined)[]

export interface Tally {
  kills: number
  pushed: number
  deleted: number
  refused: number
  verified: number
}

const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
/** How many of the blobs are so large that the registry reads them past Node, and hashes them in another thread. */
const oneIsLarge = 1 / 20
const tagsPerPusher = 3
const pushers = 3
const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** One storage folder, what is known of it, and the process that serves it until it is killed. */
export class Torturer {
  readonly tally: Tally = { kills: 0, pushed: 0, deleted: 0, refused: 0, verified: 0 }
  readonly #folder: string
  readonly #random: () => number
  readonly #known = new Map<string, Possible>()
  readonly #pool: readonly Buffer[]
  /** Who waits for so many more operations. */
  #after = { operations: 0, resolve: (): void => undefined }
  #child: ChildProcess | undefined
  #origin = ''

  constructor(folder: string, random: () => number) {
    this.#folder = folder
    this.#random = random
    this.#pool = Array.from({ length: 4 }, () => this.#bytes(20_000))
  }

  async start(): Promise<void> {
    const child = fork(join(import.meta.dirname, 'victim.ts'), [this.#folder], { silent: false })
    this.#child = child
    const message = (await this.#word(child)) as { port: number }
    this.#origin = `http://127.0.0.1:${message.port}`
  }

  /** Pushes and deletes until the process is killed at a random moment. */
  async torment(): Promise<void> {
    const dead = new AbortController()
    const { promise: enough, resolve } = Promise.withResolvers<unknown>()
    this.#after = { operations: Math.floor(this.#random() * 15), resolve: () => resolve(undefined) }
    const working = Array.from({ length: pushers }, (_, at) => this.#work(at, dead.signal))
    // After so many operations, however fast the machine is, and in the middle of those that come next.
    await Promise.race([enough, Promise.all(working)])
    await delay(this.#random() * 20)
    await this.#kill()
    dead.abort()
    await Promise.all(working)
    this.tally.kills += 1
  }

  /** Everything that was acknowledged is there and verifies; what was cut off is whole or not there at all. */
  async verify(): Promise<void> {
    for (const [name, possible] of this.#known) {
      const [repository = '', tag = ''] = name.split(':')
      const answer = await fetch(`${this.#origin}/v2/${repository}/manifests/${tag}`)
      const bytes = Buffer.from(await answer.arrayBuffer())
      const found = answer.status === 404 ? undefined : digestOf(bytes)
      if (found !== undefined) assert.equal(answer.status, 200, `${name} is answered with ${answer.status}`)
      const image = possible.find((one) => one?.digest === found)
      assert.ok(
        possible.some((one) => one?.digest === found),
        `${name} names ${found ?? 'nothing'}, and not one of ${possible.map((one) => one?.digest ?? 'nothing').join()}`
      )
      this.#known.set(name, [image])
      for (const blob of image?.blobs ?? []) {
        const served = await fetch(`${this.#origin}/v2/${repository}/blobs/${digestOf(blob)}`)
        assert.equal(served.status, 200, `${name} lacks ${digestOf(blob)}`)
        assert.ok(Buffer.from(await served.arrayBuffer()).equals(blob), `${name} serves other bytes`)
        this.tally.verified += 1
      }
    }
  }

  /** After a whole collection there is no file that nothing names. */
  async mustLeakNothing(): Promise<void> {
    const child = this.#child
    assert.ok(child)
    child.send('collect')
    await this.#word(child)
    const images = [...this.#known.values()].flatMap(([image]) => (image === undefined ? [] : [image]))
    const expected = new Set(images.flatMap(({ digest, blobs }) => [digest, ...blobs.map(digestOf)]))
    const there = await readdir(join(this.#folder, 'blobs'), { recursive: true, withFileTypes: true })
    const files = there.filter((entry) => entry.isFile()).map(({ name }) => `sha256:${name}`)
    assert.deepEqual(files.sort(), [...expected].sort())
    for (const folder of ['partial', 'trash', 'quarantine'])
      assert.deepEqual(await readdir(join(this.#folder, folder)), [], folder)
  }

  async close(): Promise<void> {
    await this.#kill()
  }

  /** What it says next; a process that ends by itself, at whatever moment, is a failure of its own. */
  async #word(child: ChildProcess): Promise<unknown> {
    const { promise: ended, reject } = Promise.withResolvers<never>()
    const fail = (code: number | null): void => reject(new Error(`it ended by itself with ${code}`))
    child.once('exit', fail)
    try {
      assert.equal(child.exitCode, null, 'it had ended by itself')
      const [message] = (await Promise.race([once(child, 'message'), ended])) as unknown[]
      return message
    } finally {
      child.off('exit', fail)
    }
  }

  async #kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined) return
    assert.equal(child.exitCode, null, 'it ended by itself')
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  async #work(pusher: number, dead: AbortSignal): Promise<void> {
    // Each has tags of its own in a repository that all share, so that what they know of them is certain.
    while (!dead.aborted) {
      const name = `samples/app:p${pusher}-${Math.floor(this.#random() * tagsPerPusher)}`
      const before = this.#known.get(name)?.[0]
      const image = this.#image()
      const deletes = before !== undefined && this.#random() < 0.4
      this.#known.set(name, [before, deletes ? undefined : image])
      try {
        const done = deletes ? await this.#delete(before) : await this.#push(name, image)
        this.#known.set(name, [done ? (deletes ? undefined : image) : before])
        this.#after.operations -= 1
        if (this.#after.operations <= 0) this.#after.resolve()
        if (!done) this.tally.refused += 1
        else if (deletes) this.tally.deleted += 1
        else this.tally.pushed += 1
      } catch (error) {
        // The connection broke: whether it was done is for the next start to say.
        if (error instanceof assert.AssertionError) throw error
        this.#after.resolve()
        return
      }
    }
  }

  #image(): Image {
    const blobs = [
      this.#pool[Math.floor(this.#random() * this.#pool.length)]!,
      this.#random() < oneIsLarge ? this.#largeBytes() : this.#bytes(200 + this.#random() * 90_000)
    ]
    const describe = (bytes: Buffer): object => ({
      mediaType: 'application/octet-stream',
      digest: digestOf(bytes),
      size: bytes.length
    })
    const [config, layer] = blobs.map(describe)
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config, layers: [layer] }))
    return { digest: digestOf(manifest), manifest, blobs }
  }

  /** @returns false where it was refused: without a grace, a blob may be gone before the manifest comes */
  async #push(name: string, { manifest, blobs }: Image): Promise<boolean> {
    const [repository = '', tag = ''] = name.split(':')
    for (const blob of blobs) {
      const head = await this.#ask('HEAD', `/v2/${repository}/blobs/${digestOf(blob)}`)
      if (head.status === 200) continue
      const begun = await this.#ask('POST', `/v2/${repository}/blobs/uploads/`)
      if (begun.status !== 202) return this.#refused(begun)
      const chunked = this.#random() < 0.5
      let location = begun.headers.get('location') ?? ''
      if (chunked) {
        const half = await this.#ask('PATCH', location, blob.subarray(0, blob.length / 2))
        if (half.status !== 202) return this.#refused(half)
        location = half.headers.get('location') ?? ''
      }
      const end = `${location}${location.includes('?') ? '&' : '?'}digest=${digestOf(blob)}`
      const put = await this.#ask('PUT', end, chunked ? blob.subarray(blob.length / 2) : blob)
      if (put.status !== 201) return this.#refused(put)
    }
    const put = await this.#ask('PUT', `/v2/${repository}/manifests/${tag}`, manifest, ociManifest)
    return put.status === 201 || this.#refused(put)
  }

  async #delete({ digest }: Image): Promise<boolean> {
    const answer = await this.#ask('DELETE', `/v2/samples/app/manifests/${digest}`)
    return answer.status === 202 || this.#refused(answer)
  }

  async #refused(answer: Response): Promise<false> {
    const text = await answer.text()
    assert.ok([400, 404, 503].includes(answer.status), `${answer.url}: ${answer.status} ${text}`)
    return false
  }

  async #ask(method: string, path: string, body?: Buffer, type = 'application/octet-stream'): Promise<Response> {
    const sent = body === undefined ? {} : { body: new Uint8Array(body), headers: { 'content-type': type } }
    const answer = await fetch(this.#origin + path, { method, ...sent })
    if (answer.ok) await answer.arrayBuffer()
    return answer
  }

  /** Nine to twelve mebibytes: the same again and again, which is soon made. */
  #largeBytes(): Buffer {
    return Buffer.alloc(Math.floor((9 + this.#random() * 3) * 1024 * 1024), this.#bytes(50_000))
  }

  #bytes(size: number): Buffer {
    const bytes = Buffer.alloc(Math.floor(size))
    for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.writeInt32LE((this.#random() * 2 ** 32) | 0, at)
    return bytes
  }
}
