import 'reflect-metadata' // @peculiar/x509 resolves its extensions through it
import { webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type X509Certificate
} from '@peculiar/x509'
import { isIP } from 'node:net'

/** What a TLS server needs. */
export interface ServerCertificate {
  readonly cert: string
  readonly key: string
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const day = 86_400_000

/** The pretend world's own certificate authority: nothing outside the simulator trusts it, and it is made anew each time. */
export class CertificateAuthority {
  readonly certificate: string
  readonly #keys: webcrypto.CryptoKeyPair
  readonly #issuer: X509Certificate

  private constructor(issuer: X509Certificate, keys: webcrypto.CryptoKeyPair) {
    this.#issuer = issuer
    this.#keys = keys
    this.certificate = issuer.toString('pem')
  }

  static async create(name = 'Causeway simulator CA'): Promise<CertificateAuthority> {
    const keys = await generateKeys()
    const issuer = await X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      notBefore: new Date(Date.now() - day),
      notAfter: new Date(Date.now() + 30 * day),
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true)
      ]
    })
    return new CertificateAuthority(issuer, keys)
  }

  /** Issues a server certificate for DNS names (wildcards too) and IP addresses; the first is the common name. */
  async issue(
    hosts: readonly [string, ...string[]],
    { from = new Date(Date.now() - day), to = new Date(Date.now() + 7 * day) }: { from?: Date; to?: Date } = {}
  ): Promise<ServerCertificate> {
    const keys = await generateKeys()
    const certificate = await X509CertificateGenerator.create({
      subject: `CN=${hosts[0]}`,
      issuer: this.#issuer.subject,
      notBefore: from,
      notAfter: to,
      signingKey: this.#keys.privateKey,
      publicKey: keys.publicKey,
      signingAlgorithm: algorithm,
      extensions: [
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        new SubjectAlternativeNameExtension(
          hosts.map((host) => ({ type: isIP(host) === 0 ? 'dns' : 'ip', value: host }))
        )
      ]
    })
    const key = PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
    return { cert: certificate.toString('pem'), key }
  }
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}
