import tls from 'node:tls'

/**
 * The roots a connection to the parent may lead to: the ones of Node and of `NODE_EXTRA_CA_CERTS`, and the given ones.
 *
 * @param extra PEM text, such as IoT Edge's trust bundle
 */
export function trustedRoots(extra: string | undefined): string[] {
  // Node 22.13 and 22.14, which 32-bit gateways may have, do not know the function; they get the built-in roots.
  const { getCACertificates } = tls as { getCACertificates?: typeof tls.getCACertificates }
  const roots = getCACertificates?.('default') ?? tls.rootCertificates
  return extra === undefined || extra.trim() === '' ? [...roots] : [...roots, extra]
}
