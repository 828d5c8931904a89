import { formatConnectionString } from '../../../module/settings/connection-string.ts'
import { leafOf } from '../../acr/cloud-registry.ts'
import { checkName } from '../../acr/names.ts'
import { generateStored } from '../../acr/stored-credentials.ts'
import type { AcrCommand } from './command.ts'
import type { Invocation } from './invocation.ts'
import { loginServerOf, noteStored } from './passwords.ts'

/** What az prints where there is no password, no gateway and no login server to print. */
const placeholders = {
  password: '<use --generate-password to generate a new password>',
  gateway: '<parent gateway endpoint>',
  loginServer: '<Optional: connected registry login server. More info at https://aka.ms/acr/connected-registry>'
} as const

/** The environment of a connected registry, under the names that its documentation has. */
export async function getSettings(call: Invocation): ReturnType<AcrCommand['run']> {
  const { args } = call
  const name = checkName('connected registry', args.text('--name'))
  const protocol = args.text('--parent-protocol')
  const slot = args.optional('--generate-password') === '2' ? 'password2' : 'password1'
  const cloud = await call.registry()
  const { parent } = await cloud.connectedRegistry(name)
  const syncTokenName = leafOf(parent?.syncProperties.tokenId)
  const isRoot = parent?.id === undefined
  if (isRoot && protocol !== 'https')
    call.warn("Parent endpoint protocol must be 'https' when parent is a cloud registry.")
  let password: string = placeholders.password
  if (args.has('--generate-password')) {
    await call.confirm(`Are you sure you want to generate a new sync token '${syncTokenName}' ${slot}?`)
    const store = await call.context.secrets({ loginServer: await loginServerOf(cloud) }, 'write')
    const made = await generateStored(cloud, store, syncTokenName, [slot])
    password = made.passwords[slot]?.value ?? ''
    noteStored(call, `the passwords of ${syncTokenName}`, store.place, call.secret(password) === null)
  }
  const connectionString = formatConnectionString({
    connectedRegistryName: name,
    syncTokenName,
    syncTokenPassword: password,
    // Azure knows it of the cloud registry's children only; below them it is the name of the device above.
    parentGatewayEndpoint: parent?.syncProperties.gatewayEndpoint ?? placeholders.gateway,
    parentEndpointProtocol: isRoot || protocol === 'https' ? 'https' : 'http'
  })
  const secret = (value: string): string | null => (args.has('--generate-password') ? call.secret(value) : value)
  return {
    SYNC_TOKEN_USER: syncTokenName,
    SYNC_TOKEN_PASSWORD: secret(password),
    ACR_REGISTRY_CERTIFICATE_VOLUME: '/var/acr/certs',
    ACR_REGISTRY_DATA_VOLUME: '/var/acr/data',
    ACR_REGISTRY_CONNECTION_STRING: secret(connectionString),
    ACR_REGISTRY_LOGIN_SERVER: placeholders.loginServer
  }
}
