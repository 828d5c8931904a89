/** What the default template of azureiotedge-api-proxy makes of its environment (connected-registry.md §6). */
export type Routing =
  /** `location /v2` and `location /acr` to the connected registry on the module network. */
  | { readonly kind: 'registry'; readonly address: string }
  /** `location ~ ^/v2*.` to the same port of the parent. */
  | { readonly kind: 'relay'; readonly host: string; readonly port: number }
  | { readonly kind: 'none' }

export const defaultPort = 8000

/** The template's blocks, in its order: an unset variable counts as "0" and takes its block away. */
export function readRouting(environment: Readonly<Record<string, string | undefined>>): Routing {
  const value = (name: string): string | undefined => {
    const text = environment[name]?.trim() ?? ''
    return text === '' || text === '0' ? undefined : text
  }
  const address = value('CONNECTED_ACR_ROUTE_ADDRESS')
  if (address !== undefined) return { kind: 'registry', address }
  const host = value('IOTEDGE_PARENTHOSTNAME')
  // The same port at every hop.
  if (host !== undefined) return { kind: 'relay', host, port: Number(value('NGINX_DEFAULT_PORT') ?? defaultPort) }
  return { kind: 'none' }
}

/** Whether a request goes on; `/oauth2` never does, and `/acr` only to a connected registry of one's own. */
export function goesOn(routing: Routing, path: string): boolean {
  switch (routing.kind) {
    case 'registry':
      return path.startsWith('/v2') || path.startsWith('/acr')
    case 'relay':
      // The template's own pattern: a `v`, any number of `2`, and one character more.
      return /^\/v2*./.test(path)
    case 'none':
      return false
  }
}
