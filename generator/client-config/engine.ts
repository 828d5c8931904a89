import type { EngineName } from './names.ts'
import type { Situation } from './situation.ts'

/** A file on the client. */
export interface ConfigurationFile {
  /** Where the engine reads it. */
  readonly path: string
  readonly content: string
  readonly holdsPassword: boolean
}

/** What one container engine needs of its machine. No command holds a password. */
export interface EngineConfiguration {
  readonly engine: EngineName
  readonly files: readonly ConfigurationFile[]
  /** Reads the password from its standard input; absent where the engine has no login, or none is needed. */
  readonly login?: string
  readonly pull: string
  /** The same by the name that the image has in the mirrored registry. */
  readonly pullThroughMirror?: string
  /** What else there is to do and to know, in order. */
  readonly notes: readonly string[]
}

/** @param password only for the engines whose files hold one */
export type Configure = (situation: Situation, password?: string) => EngineConfiguration

/** The image by its name in a mirrored registry. Docker Hub's `hello-world` is `library/hello-world` to whoever is asked for it. */
export function imageIn(mirror: string | undefined, image: string): string | undefined {
  if (mirror === undefined) return undefined
  if (mirror !== 'docker.io') return `${mirror}/${image}`
  return image.includes('/') ? `docker.io/${image.replace(/^library\//, '')}` : undefined
}

/** The file with the certificate to trust, where the site's people gave it. */
export function certificateFile({ certificate }: Situation, path: string): readonly ConfigurationFile[] {
  return certificate === undefined ? [] : [{ path, content: certificate, holdsPassword: false }]
}

/** How the certificate gets to where an engine looks for it. */
export function certificateNotes(situation: Situation, path: string): readonly string[] {
  const { trust, certificate, needsCertificate } = situation
  if (certificate !== undefined || trust === 'nobody') return []
  return needsCertificate
    ? [
        `put the root certificate of the site's devices at ${path}: trust_bundle_cert in the device's /etc/aziot/config.toml names it (--ca <file> does it here)`
      ]
    : [
        `where the certificate in registry.tls is not from a public authority, put its root at ${path} (--ca <file> does it here)`
      ]
}

/** A string in TOML has JSON's escapes. */
export function toml(text: string): string {
  return JSON.stringify(text)
}
