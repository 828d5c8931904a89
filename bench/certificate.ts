import { join } from 'node:path'
import { isInstalled, output } from './processes.ts'

/** A server's certificate as files; it is its own authority. */
export interface Certificate {
  readonly certificate: string
  readonly key: string
}

export const canMakeCertificates = isInstalled('openssl')

/** RSA with 2048 bits, which most servers in the field have. */
export async function makeCertificate(folder: string): Promise<Certificate> {
  const [certificate, key] = [join(folder, 'server.crt'), join(folder, 'server.key')]
  const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const files = ['-keyout', key, '-out', certificate]
  await output('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...names, ...files])
  return { certificate, key }
}
