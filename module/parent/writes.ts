import type { Digest } from '../oci/digest.ts'
import type { Repository, Tag } from '../oci/name.ts'
import { ParentError } from './errors.ts'
import { discard, one, type Answer } from './exchange.ts'
import type { OutgoingBody } from './outgoing.ts'
import { nameOf, type Requests } from './requests.ts'

/** Where an upload stands in the parent. */
export interface UploadPlace {
  /** Path and query below the parent's origin, as its last answer gave it. */
  readonly location: string
  /** Bytes that the parent has. */
  readonly offset: number
}

/** A piece of a blob. */
export interface Chunk extends Pick<OutgoingBody, 'length' | 'pieces'> {
  /** Where in the blob it begins. */
  readonly offset: number
}

interface Options {
  readonly signal?: AbortSignal | undefined
}

/** Changing what a registry upstream has. Every method throws {@link ParentError}, or the signal's reason once that is aborted. */
export interface ParentWrites {
  hasBlob(repository: Repository, digest: Digest, options?: Options): Promise<boolean>
  /**
   * Begins an upload, or has the parent take the blob from another of its repositories.
   *
   * @param options.from a repository that the parent may have it in
   * @returns undefined where it is mounted, and nothing has to be sent
   */
  beginUpload(
    repository: Repository,
    digest: Digest,
    options?: Options & { readonly from?: Repository | undefined }
  ): Promise<UploadPlace | undefined>
  /** How far an upload has come; undefined where the parent knows it no longer. */
  findUpload(repository: Repository, location: string, options?: Options): Promise<UploadPlace | undefined>
  /**
   * Adds to an upload.
   *
   * @returns where it stands then, which is elsewhere than after the chunk where the parent has other bytes than thought;
   *   undefined where it knows the upload no longer
   */
  sendChunk(repository: Repository, location: string, chunk: Chunk, options?: Options): Promise<UploadPlace | undefined>
  /**
   * Ends an upload, with the last of its bytes where some are left.
   *
   * @returns false where the parent knows the upload no longer, or has other bytes than thought
   */
  finishUpload(
    repository: Repository,
    location: string,
    digest: Digest,
    options?: Options & { readonly last?: Chunk | undefined }
  ): Promise<boolean>
  putManifest(
    repository: Repository,
    reference: Tag | Digest,
    manifest: { readonly bytes: Uint8Array; readonly mediaType: string },
    options?: Options
  ): Promise<void>
  /** Takes a tag away, or a manifest with all of its tags; one that is not there is fine. */
  deleteManifest(repository: Repository, reference: Tag | Digest, options?: Options): Promise<void>
}

/**
 * @param patience milliseconds that an answer, or the link, may keep this module waiting while bytes are sent
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#push
 */
export function createWrites(requests: Requests, patience: number): ParentWrites {
  const refused = (answer: Answer, subject: string, deed: 'push' | 'delete' = 'push'): Promise<ParentError> =>
    requests.refusal(answer, subject, deed)

  /** An upload as an answer's headers have it. */
  function placeOf(answer: Answer, expected: number): UploadPlace {
    const url = URL.parse(one(answer.headers['location']) ?? '', answer.url.href)
    // A registry behind a proxy may name itself by a host that only the proxy knows: it is reached as it was before.
    if (url === null || !url.pathname.startsWith('/v2/'))
      throw new ParentError('PARENT_PROTOCOL', `${answer.url.host} names no place to go on with an upload at`)
    return { location: `${url.pathname}${url.search}`, offset: offsetIn(answer) ?? expected }
  }

  return {
    async hasBlob(repository, digest, { signal } = {}) {
      const subject = `${repository}@${digest}`
      const answer = await requests.send(
        // A registry that sends to its blob storage has it; a link signed for GET would refuse HEAD.
        { method: 'HEAD', url: requests.url(`/v2/${repository}/blobs/${digest}`), signal, stays: true },
        { kind: 'push', repository },
        subject
      )
      if (answer.status === 404 || answer.status === 405) {
        await discard(answer)
        return false
      }
      if (answer.status >= 400) throw await refused(answer, subject)
      await discard(answer)
      return true
    },

    async beginUpload(repository, digest, { from, signal } = {}) {
      const subject = `${repository}@${digest}`
      const url = requests.url(`/v2/${repository}/blobs/uploads/`)
      if (from !== undefined) url.search = new URLSearchParams({ mount: digest, from }).toString()
      // The only place to say so before the bytes come (distribution-spec, main branch).
      else if (digest.startsWith('sha512:')) url.searchParams.set('digest-algorithm', 'sha512')
      const headers = { 'content-length': '0' }
      const answer = await requests.send(
        { method: 'POST', url, headers, signal },
        { kind: 'push', repository, from },
        subject
      )
      if (answer.status !== 202 && answer.status !== 201) throw await refused(answer, subject)
      await discard(answer)
      return answer.status === 201 ? undefined : { ...placeOf(answer, 0), offset: 0 }
    },

    async findUpload(repository, location, { signal } = {}) {
      const subject = `upload to ${repository}`
      const answer = await requests.send({ url: requests.url(location), signal }, { kind: 'push', repository }, subject)
      if (answer.status !== 204 && answer.status !== 202 && answer.status !== 200) {
        const error = await refused(answer, subject)
        if (isLost(error)) return undefined
        throw error
      }
      await discard(answer)
      const offset = offsetIn(answer)
      if (offset === undefined) return undefined
      return answer.headers['location'] === undefined ? { location, offset } : placeOf(answer, offset)
    },

    async sendChunk(repository, location, chunk, { signal } = {}) {
      const subject = `upload to ${repository}`
      const answer = await requests.send(
        {
          method: 'PATCH',
          url: requests.url(location),
          headers: { 'content-type': 'application/octet-stream', 'content-range': rangeOf(chunk) },
          body: { ...chunk, patience },
          signal
        },
        { kind: 'push', repository },
        subject
      )
      if (answer.status !== 202 && answer.status !== 416) {
        const error = await refused(answer, subject)
        if (isLost(error)) return undefined
        throw error
      }
      await discard(answer)
      if (answer.status === 416) return this.findUpload(repository, location, { signal })
      return placeOf(answer, chunk.offset + chunk.length)
    },

    async finishUpload(repository, location, digest, { last, signal } = {}) {
      const url = requests.url(location)
      // Added to what is there, which may be the parent's own state.
      url.searchParams.set('digest', digest)
      const subject = `${repository}@${digest}`
      const type = { 'content-type': 'application/octet-stream' }
      const answer = await requests.send(
        last === undefined
          ? { method: 'PUT', url, headers: { ...type, 'content-length': '0' }, signal }
          : {
              method: 'PUT',
              url,
              headers: { ...type, 'content-range': rangeOf(last) },
              body: { ...last, patience },
              signal
            },
        { kind: 'push', repository },
        subject
      )
      if (answer.status !== 201 && answer.status !== 204 && answer.status !== 416) {
        const error = await refused(answer, subject)
        if (isLost(error)) return false
        throw error
      }
      await discard(answer)
      return answer.status !== 416
    },

    async putManifest(repository, reference, { bytes, mediaType }, { signal } = {}) {
      const subject = nameOf(repository, reference)
      const url = requests.url(`/v2/${repository}/manifests/${reference}`)
      const headers = { 'content-type': mediaType }
      const answer = await requests.send(
        { method: 'PUT', url, headers, body: bytes, signal },
        { kind: 'push', repository },
        subject
      )
      if (answer.status !== 201 && answer.status !== 200) throw await refused(answer, subject)
      await discard(answer)
    },

    async deleteManifest(repository, reference, { signal } = {}) {
      const subject = nameOf(repository, reference)
      const url = requests.url(`/v2/${repository}/manifests/${reference}`)
      const answer = await requests.send({ method: 'DELETE', url, signal }, { kind: 'delete', repository }, subject)
      if (answer.status >= 300) {
        const error = await refused(answer, subject, 'delete')
        if (error.code === 'PARENT_NOT_FOUND') return
        throw error
      }
      await discard(answer)
    }
  }
}

/** Without a unit, unlike that of an answer (distribution-spec, "Pushing a blob in chunks"). */
function rangeOf({ offset, length }: Chunk): string {
  return `${offset}-${offset + length - 1}`
}

/**
 * An upload that has ended or never was; distribution answers 404 to one whose state is not the newest, others 400. Not what a
 * proxy on the way says: the bytes that went up already are there.
 */
function isLost({ code, status }: ParentError): boolean {
  return code === 'PARENT_NOT_FOUND' || (code === 'PARENT_REFUSED' && status === 400)
}

/**
 * `Range: 0-<last>`, both ends inclusive; nothing and one byte look alike (registry.md §6.2). One byte is not worth a rule: the
 * parent refuses what begins at 0 then, and the upload is begun anew.
 */
function offsetIn(answer: Answer): number | undefined {
  const last = /^(?:bytes[= ])?0-(\d+)$/.exec(one(answer.headers['range']) ?? '')?.[1]
  if (last === undefined) return undefined
  return last === '0' ? 0 : Number(last) + 1
}
