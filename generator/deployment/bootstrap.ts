import { currentSlot, type Secrets } from '../secrets/store.ts'
import type { Device, Relay, Site } from '../site-file/site.ts'
import { resolveReferences, secretReference } from './references.ts'
import { runtimeToken, upstreamRegistry } from './variables.ts'

/**
 * The part of `/etc/aziot/config.toml` that a device below another needs before it has a deployment: whom it asks, and where and as
 * whom it pulls its edgeAgent (facts: connected-registry §8).
 *
 * @param options.secrets absent for one with a reference in place of the password
 * @throws {GeneratorError} `SECRET_MISSING`
 */
export function bootstrapToml(
  site: Site,
  device: Device | Relay,
  options: { readonly secrets?: Secrets; readonly now: Date }
): string {
  const { secrets, now } = options
  const token = runtimeToken(site, device)
  const slot = (secrets === undefined ? undefined : currentSlot(secrets, token, now)) ?? 'password1'
  const reference = secretReference(token, slot)
  const password = secrets === undefined ? reference : String(resolveReferences(reference, secrets))
  const { above = '' } = device
  const hostAbove = (site.devices[above] ?? site.relays[above])?.hostName
  const registry = upstreamRegistry(site)
  const { upstreamProtocol } = device.network
  const named = (key: string, name: string | undefined, whose: string): string =>
    name === undefined
      ? `# ${key} = "…" # the name of ${whose} on the network; hostName of the site file fills it in`
      : `${key} = ${text(name)}`
  return `# ${device.id}, below ${above}: to be merged into /etc/aziot/config.toml, then: sudo iotedge config apply
# Beside it: provisioning, and trust_bundle_cert with the root certificate that signed the certificates of both devices.
${named('hostname', device.hostName, device.id)}
${named('parent_hostname', hostAbove, above)}

[agent]
name = "edgeAgent"
type = "docker"

[agent.config]
image = ${text(`${registry}/${site.images.agent}`)}

[agent.config.auth]
serveraddress = ${text(registry)}
username = ${text(token)}
password = ${text(password)}
${upstreamProtocol === undefined ? '' : `\n[agent.env]\nUpstreamProtocol = ${text(upstreamProtocol)}\n`}`
}

/** A TOML basic string has JSON's escapes. */
function text(value: string): string {
  return JSON.stringify(value)
}
