import { readFileSync } from 'node:fs'
import tls from 'node:tls'

/**
 * The roots a connection to the parent may lead to: the ones of Node and of `NODE_EXTRA_CA_CERTS`, and the given ones.
 *
 * @param extra PEM text, such as IoT Edge's trust bundle
 * @returns undefined where Node's own choice stands as it is
 */
export function trustedRoots(extra: string | undefined): string[] | undefined {
  if (extra === undefined || extra.trim() === '') return undefined
  // Node 22.13 and 22.14, which 32-bit gateways may have, do not know the function.
  const { getCACertificates } = tls as { getCACertificates?: typeof tls.getCACertificates }
  return [...(getCACertificates?.('default') ?? [...tls.rootCertificates, ...extraOfNode()]), extra]
}

/** As Node does at its start, which then says why a file cannot be read. */
function extraOfNode(): string[] {
  const path = process.env['NODE_EXTRA_CA_CERTS']
  if (path === undefined || path === '') return []
  try {
    return [readFileSync(path, 'utf8')]
  } catch {
    return []
  }
}
