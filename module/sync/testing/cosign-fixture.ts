import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Digest } from '../../oci/digest.ts'

/** What the real cosign made of a small image; `cosign.json` says how. Texts are byte for byte what was in the registry. */
export interface CosignFixture {
  readonly publicKey: string
  readonly otherPublicKey: string
  readonly digest: Digest
  readonly image: string
  /** Of all the manifests here. */
  readonly blobs: readonly string[]
  /** The index under the fallback tag, which names the next two. */
  readonly fallbackIndex: string
  readonly attestationManifest: string
  readonly bundleManifest: string
  /** Under the tag `sha256-<digest>.sig`. */
  readonly simpleManifest: string
}

export const cosignFixture = JSON.parse(readFileSync(join(import.meta.dirname, 'cosign.json'), 'utf8')) as CosignFixture
