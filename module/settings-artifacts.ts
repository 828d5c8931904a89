import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Log } from './log/log.ts'
import { digestOf, type Digest } from './oci/digest.ts'
import type { Repository } from './oci/name.ts'
import { contentOf, SettingsArtifactError, type ArtifactReference } from './settings/artifact.ts'
import { readIfPresent, writeDurably } from './settings/durable-file.ts'

/** The part of a parent that gives artifacts out. */
export interface ArtifactParent {
  manifest(
    repository: Repository,
    reference: Digest,
    options: { readonly signal: AbortSignal }
  ): Promise<{ readonly bytes: Buffer; readonly digest: Digest }>
  blob(
    repository: Repository,
    digest: Digest,
    options: { readonly signal: AbortSignal }
  ): Promise<{ readonly stream: AsyncIterable<Buffer> }>
}

const kept = z.object({ manifest: z.string(), content: z.string() })

/** Settings that did not fit into the twin, as they came from the parent, kept for starts without one. */
export class SettingsArtifacts {
  readonly #folder: string
  readonly #log: Log

  constructor(dataFolder: string, log: Log) {
    this.#folder = join(dataFolder, 'settings-artifacts')
    this.#log = log
  }

  /** The content that came before, undefined where there is none or where it is no longer what its digest says. */
  async kept(digest: Digest): Promise<Buffer | undefined> {
    try {
      const text = await readIfPresent(this.#path(digest))
      if (text === undefined) return undefined
      const both = kept.parse(JSON.parse(text))
      const manifest = Buffer.from(both.manifest)
      const content = Buffer.from(both.content)
      if (digestOf(manifest) === digest && digestOf(content) === contentOf(manifest).digest) return content
      this.#log.warn('a settings artifact on the disk is not what it was: it is fetched again', { digest })
    } catch (error) {
      this.#log.warn('a settings artifact on the disk cannot be read: it is fetched again', { reason: String(error) })
    }
    return undefined
  }

  /**
   * Fetches an artifact and keeps it.
   *
   * @throws {SettingsArtifactError} where it is none; the parent's errors, and the signal's reason
   */
  async fetch(parent: ArtifactParent, { repository, digest }: ArtifactReference, signal: AbortSignal): Promise<Buffer> {
    const manifest = await parent.manifest(repository, digest, { signal })
    if (digestOf(manifest.bytes) !== digest) throw wrongBytes(digest)
    const wanted = contentOf(manifest.bytes)
    const { stream } = await parent.blob(repository, wanted.digest, { signal })
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of stream) {
      length += chunk.length
      if (length > wanted.size) throw wrongBytes(wanted.digest)
      chunks.push(chunk)
    }
    const content = Buffer.concat(chunks)
    if (digestOf(content) !== wanted.digest) throw wrongBytes(wanted.digest)
    const both = { manifest: manifest.bytes.toString(), content: content.toString() }
    await writeDurably(this.#path(digest), JSON.stringify(both)).catch((error: unknown) =>
      this.#log.error('a settings artifact cannot be kept for the next start', { reason: String(error) })
    )
    return content
  }

  /** Takes away those that no settings in force name. */
  async forgetOthers(digest: Digest | undefined): Promise<void> {
    const stays = digest === undefined ? undefined : this.#name(digest)
    const names = await readdir(this.#folder).catch(() => [])
    for (const name of names) if (name !== stays) await rm(join(this.#folder, name), { force: true })
  }

  #path(digest: Digest): string {
    return join(this.#folder, this.#name(digest))
  }

  #name(digest: Digest): string {
    return `${digest.replace(':', '-')}.json`
  }
}

function wrongBytes(digest: Digest): SettingsArtifactError {
  return new SettingsArtifactError(`what came has other bytes than ${digest}: something on the way changes content`)
}
