import type { Log } from '../log/log.ts'
import type { Digest } from '../oci/digest.ts'
import type { Descriptor } from '../oci/manifest.ts'
import type { Repository, Tag } from '../oci/name.ts'
import { Authorizer } from './authorizer.ts'
import {
  checkBlob,
  fetchBlob,
  fetchManifest,
  readHead,
  type BlobOptions,
  type FetchedBlob,
  type FetchedManifest,
  type ManifestHead
} from './content.ts'
import { CredentialChoice, type Credentials, type TakenCredential } from './credentials.ts'
import { ParentError } from './errors.ts'
import { discard } from './exchange.ts'
import { listReferrers, listTags } from './lists.ts'
import { createOutbound, defaultTimeouts, type ParentTimeouts } from './outbound.ts'
import { isWebPage } from './registry-answer.ts'
import { Requests } from './requests.ts'
import { verifyToken, type ParentGrant } from './verify.ts'
import { ParentWatch, type ParentNews } from './watch.ts'
import { createWrites, type ParentWrites } from './writes.ts'

export interface ParentOptions extends ParentNews {
  /** `https://host[:port]` */
  readonly origin: string
  /** Without a name and a password only parents that ask for none can be read. */
  readonly tokenName?: string
  readonly password?: string
  /** What to try where these are refused: the device's other credential for the same parent. */
  readonly otherCredentials?: Credentials | undefined
  /** Told of a credential that the parent took, now and then. */
  readonly onCredential?: (taken: TakenCredential) => void
  /** PEM text that is trusted beside the system's roots: IoT Edge's trust bundle. */
  readonly extraCertificates?: string | undefined
  /** Where `https_proxy`, `http_proxy` and `no_proxy` are looked up. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly userAgent: string
  readonly log: Log
  readonly timeouts?: Partial<ParentTimeouts>
}

/** A registry upstream. Every method throws {@link ParentError}, or the signal's reason once that is aborted. */
export interface Parent extends ParentWrites {
  readonly origin: string
  /** Whether the parent has said, since this was made by `correlated`, that it lacks what it is to have: then nothing is gone. */
  isIncomplete(): boolean
  /** Proves that the parent is there and takes the credentials. */
  check(signal?: AbortSignal): Promise<void>
  /** Every tag of a repository, page by page. */
  tags(repository: Repository, signal?: AbortSignal): AsyncGenerator<Tag, void, undefined>
  /** @param options.known the digest held already; the parent may answer with "still that" */
  head(
    repository: Repository,
    reference: Tag | Digest,
    options?: { readonly known?: Digest | undefined; readonly signal?: AbortSignal | undefined }
  ): Promise<ManifestHead>
  manifest(
    repository: Repository,
    reference: Tag | Digest,
    options?: { readonly signal?: AbortSignal | undefined }
  ): Promise<FetchedManifest>
  blob(repository: Repository, digest: Digest, options?: BlobOptions): Promise<FetchedBlob>
  /** Proves that a repository has a blob, for which none of its bytes come; where it has not, `PARENT_NOT_FOUND`. */
  checkBlob(
    repository: Repository,
    digest: Digest,
    options?: { readonly signal?: AbortSignal | undefined }
  ): Promise<void>
  /** What refers to a manifest, or undefined where the parent has no referrers API. */
  referrers(
    repository: Repository,
    subject: Digest,
    options?: { readonly signal?: AbortSignal | undefined }
  ): Promise<readonly Descriptor[] | undefined>
  /**
   * Whether the parent knows a client's token, and what it grants it of the scopes.
   *
   * @returns undefined where it refuses the name or the password
   */
  verify(
    tokenName: string,
    password: string,
    scopes: readonly string[],
    signal: AbortSignal
  ): Promise<ParentGrant[] | undefined>
  /** The same parent, over the same connections, with an id that goes along with every request. */
  correlated(correlationId: string): Parent
  /** Ends every connection; what is under way fails. */
  close(): Promise<void>
}

/**
 * Makes a client of an upstream registry; nothing is sent before a method is called.
 *
 * @throws {ParentError} `PARENT_PROTOCOL` where the origin is none
 */
export function createParent(options: ParentOptions): Parent {
  const origin = URL.parse(options.origin)
  if (origin === null || !['http:', 'https:'].includes(origin.protocol))
    throw new ParentError('PARENT_PROTOCOL', `the parent's address must read https://host[:port]`)
  const { tokenName, password } = options
  const timeouts = { ...defaultTimeouts, ...options.timeouts }
  const watch = new ParentWatch(origin, options)
  const outbound = { ...createOutbound(options.environment ?? {}, options.extraCertificates, timeouts), watch }
  const preferred = tokenName === undefined || password === undefined ? [] : [{ tokenName, password }]
  const all = [...preferred, ...(options.otherCredentials === undefined ? [] : [options.otherCredentials])]
  const choice = new CredentialChoice(all, options.onCredential)
  const authorizer = new Authorizer(outbound, origin, choice)
  const requests = new Requests({ ...options, origin, outbound, authorizer })

  const over = (requests: Requests, incompleteBefore = watch.incompleteAnswers): Parent => ({
    origin: options.origin,
    ...createWrites(requests, timeouts.bodyIdle),

    isIncomplete: () => watch.incompleteAnswers > incompleteBefore,

    async check(signal) {
      const answer = await requests.send({ url: requests.url('/v2/'), signal }, { kind: 'base' }, 'its base (/v2/)')
      if (answer.status !== 200) throw await requests.refusal(answer, 'registry at /v2/')
      await discard(answer)
      if (isWebPage(answer.headers))
        throw new ParentError(
          'PARENT_PROTOCOL',
          `${answer.url.host} answers a web page at ${answer.url.pathname}: check the parent's endpoint, and what answers there in its place (a proxy, a captive portal)`
        )
    },

    tags: (repository, signal) => listTags(requests, repository, signal),
    head: (repository, reference, given) => readHead(requests, repository, reference, given),
    manifest: (repository, reference, given) => fetchManifest(requests, repository, reference, given),
    blob: (repository, digest, given) => fetchBlob(requests, repository, digest, given),
    checkBlob: (repository, digest, given) => checkBlob(requests, repository, digest, given),
    referrers: (repository, subject, given) => listReferrers(requests, repository, subject, given?.signal),

    verify: (tokenName, password, scopes, signal) =>
      verifyToken(outbound, { origin, headers: requests.headers, tokenName, password, scopes, signal }),

    correlated: (correlationId) => over(requests.correlated(correlationId)),

    close: () => outbound.close()
  })
  return over(requests)
}
