import type { ReadImage } from './image.ts'
import { notInQuotes, textOf } from './lenient.ts'
import type { Spot } from './place.ts'
import { angleHole, documentHoles, filled, markIn, templateHole } from './placeholders.ts'

/** The addresses of `registryCredentials`, and whether all of them are known. */
export interface Credentials {
  readonly addresses: readonly string[]
  /** Some address waits for a variable: nothing can be said of images then. */
  readonly open: boolean
}

/** Checks `registryCredentials` (deployment-manifests.md §1.2). One blank password makes the whole deployment invalid. */
export function checkCredentials(list: Spot | undefined): Credentials {
  if (list === undefined) return { addresses: [], open: false }
  if (list.node.kind === 'placeholder') return { addresses: [], open: true }
  if (list.node.kind !== 'object') {
    list.finding('M080', 'registryCredentials must be an object of credentials')
    return { addresses: [], open: true }
  }
  return list.members().reduce<Credentials>(
    (sofar, { spot }) => {
      const address = checkCredential(spot)
      return address === undefined
        ? { ...sofar, open: true }
        : { ...sofar, addresses: [...sofar.addresses, address.toLowerCase()] }
    },
    { addresses: [], open: false }
  )
}

/** One credential. @returns its address, unless it is wrong or open */
export function checkCredential(spot: Spot): string | undefined {
  if (spot.node.kind === 'placeholder') return undefined
  if (spot.node.kind !== 'object') {
    spot.finding('M080', 'a credential must be an object with address, username and password')
    return undefined
  }
  checkText(spot, 'username')
  const password = checkText(spot, 'password')
  if (
    password !== undefined &&
    spot.around.kind === 'template' &&
    templateHole(password) === undefined &&
    angleHole(password) === undefined
  )
    spot.get('password')?.finding('M052', 'a password stands in a template')
  const address = checkText(spot, 'address')
  return address === undefined ? undefined : checkAddress(spot, address)
}

/** What a layer sets of a credential that its base has. @returns its address, where that is set, and neither wrong nor open */
export function checkPartOfCredential(spot: Spot): string | undefined {
  for (const name of ['username', 'password']) if (spot.get(name) !== undefined) checkText(spot, name)
  const address = spot.get('address') === undefined ? undefined : checkText(spot, 'address')
  return address === undefined ? undefined : checkAddress(spot, address)
}

function checkAddress(spot: Spot, address: string): string | undefined {
  const place = spot.get('address')
  if (spot.around.kind === 'template' && templateHole(address) !== undefined) return undefined
  if (address.startsWith('$') && !/\$upstream:[1-9]/i.test(address)) {
    if (/^\$upstream/i.test(address))
      place?.finding('M032', '$upstream needs a port in the address of a credential, as in $upstream:8000')
    else place?.finding('M035', `${address} is a variable that edgeAgent does not know`)
    return undefined
  }
  if (markIn(address) !== undefined) return undefined
  if (address.includes('/'))
    place?.finding('M034', `${address} is not host[:port], and so no image ever equals it: pulls are anonymous`)
  // As in images, so that the two still fit each other.
  return filled(address.trim(), documentHoles)[0]
}

function checkText(spot: Spot, name: string): string | undefined {
  const field = spot.get(name)
  if (field === undefined) {
    spot.missing('M035', name, `a credential needs ${name}`)
    return undefined
  }
  if (field.node.kind === 'placeholder') return undefined
  const text = textOf(field)
  if (text !== undefined && text.trim() !== '') {
    if (field.node.kind !== 'string') field.finding('M035', `${name} ${notInQuotes}`, 'warning')
    return text
  }
  field.finding(
    'M035',
    field.node.kind === 'string'
      ? `${name} of a credential must not be blank`
      : `${name} of a credential must be a text`
  )
  return undefined
}

/** Azure's registries never answer without a login, unless somebody switched anonymous pull on. */
const azureRegistry = /\.azurecr\.(?:io|cn|us)$/i

/**
 * Looks for images whose registry has no credential: those of Azure's registries, and those that miss one by its port or
 * scheme. All others may be public. One finding for each registry.
 */
export function checkMatching(images: readonly { spot: Spot; image: ReadImage }[], credentials: Credentials): void {
  const told = new Set<string>()
  const addresses = new Set(credentials.addresses)
  // The first of several for one host, as it was written.
  const byHost = new Map([...credentials.addresses].reverse().map((address) => [hostOf(address), address]))
  for (const { spot, image } of images) {
    const registry = image.registry?.toLowerCase()
    if (registry === undefined || addresses.has(registry) || told.has(registry)) continue
    told.add(registry)
    const near = byHost.get(hostOf(registry))
    if (near !== undefined)
      spot.finding('M033', `the credential for ${near} does not fit ${registry}: port and form must be the same`)
    else if (azureRegistry.test(registry) && !credentials.open)
      spot.finding('M033', `no credential has the address ${registry}`)
  }
}

/** `https://Host:443/path` → `host` */
function hostOf(address: string): string {
  return (
    address
      .toLowerCase()
      .replace(/^[a-z]+:\/\//, '')
      .split(/[/:]/, 1)[0] ?? ''
  )
}
