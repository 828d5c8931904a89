import { z } from 'zod'
import { isRepository, isTag } from '../../module/oci/name.ts'
import { settingsSchema } from '../../module/settings/document.ts'
import { cloudNames } from '../azure/clouds.ts'
import { resourceSettings } from './resource-settings.ts'

/** `repository:tag`. A digest instead of the tag waits for a later release: edgeAgent takes one or the other, never both. */
const image = z.string().refine(isImage, { error: 'must be repository:tag, in lower case, without a registry' })

const token = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9-]{4,49}$/, { error: 'must be a token name: 5 to 50 letters, digits and hyphens' })
const scopeMapName = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_-]{4,49}$/, { error: 'must be a scope map name: 5 to 50 letters, digits, - and _' })

/** The strictest of the forms that Azure's pages give, since one name serves as registry, scope map and gateway (facts: arm-wire §4). */
const connectedRegistryName = z.string().regex(/^[a-z][a-z0-9]{4,39}$/, {
  error: 'must be 5 to 40 lower-case letters and digits, a letter first'
})

const azure = z.strictObject({
  cloud: z.enum(cloudNames).default('AzureCloud'),
  subscription: z.guid({ error: 'must be a subscription id, such as 00000000-0000-0000-0000-000000000001' }),
  resourceGroup: z.string().regex(/^[\p{L}\p{N}_().-]{1,90}$/u, { error: 'must be the name of a resource group' }),
  registry: z.string().regex(/^[a-zA-Z0-9]{5,50}$/, { error: 'must be a registry name: 5 to 50 letters and digits' }),
  hub: z.string().regex(/^[a-zA-Z0-9](?:[a-zA-Z0-9-]{1,48}[a-zA-Z0-9])$/, {
    error: 'must be the name of an IoT hub, without a domain'
  }),
  region: z
    .string()
    .regex(/^[a-z0-9]+$/, { error: 'must be a region by its short name, such as westeurope' })
    .optional()
    .describe("The registry's region, where devices may reach its data endpoint only by name"),
  anonymousPull: z
    .boolean()
    .optional()
    .describe(
      'Whether anybody may pull from the cloud registry without logging in, as provision sets it: every repository, whatever tokens say; needs Standard or Premium. Left as it is where this is not given'
    ),
  keyVault: z
    .string()
    .regex(/^[a-zA-Z](?!.*--)[a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$/, {
      error: 'must be the name of a key vault, without a domain'
    })
    .optional()
    .describe('The key vault that keeps the passwords, in place of a file beside the site file')
})

const images = z.strictObject({
  connectedRegistry: image
    .default('acr/connected-registry:causeway-0.1.0')
    .describe("Causeway's own; pushed, not imported"),
  agent: image.default('azureiotedge-agent:1.6.1'),
  hub: image.default('azureiotedge-hub:1.6.1'),
  apiProxy: image.default('azureiotedge-api-proxy:1.1.27'),
  diagnostics: image
    .default('azureiotedge-diagnostics:1.6.0')
    .describe(
      'What iotedge check runs on a device: imported, and readable with the pull token; name it in an image set where devices below others are to have it too'
    )
})

const importedImage = z.strictObject({
  source: z
    .string()
    .refine(isSource, { error: 'must be host/repository:tag, such as mcr.microsoft.com/hello-world:latest' })
    .describe('A public image; the registry fetches it by itself'),
  image: image.describe('What it is called in the registry')
})

/** Settings of the module that the site file passes on as they are; where one is not given, the module's default holds. */
const furtherSettings = z.strictObject({
  anonymousPull: settingsSchema.shape.anonymousPull.unwrap().optional(),
  registry: settingsSchema.shape.registry.unwrap().optional(),
  parentTokens: settingsSchema.shape.parentTokens.unwrap().optional(),
  storage: settingsSchema.shape.storage.unwrap().optional(),
  page: settingsSchema.shape.page.unwrap().optional(),
  notifications: settingsSchema.shape.notifications.unwrap().optional(),
  notificationsWebhook: settingsSchema.shape.notificationsWebhook
})

/** Of a token, or of all. ACR takes any time to come; a hundred years are as good as none. */
const passwords = z.strictObject({
  expiresInDays: z
    .int()
    .min(1)
    .max(36_500)
    .optional()
    .describe(
      'After how many days a password expires, counted from when provision or rotate makes it; never where it is not given. check tells beforehand, and rotate makes the next one'
    )
})

/** Of a device, or of all. */
const workloads = z.strictObject({
  fromOwnRegistry: z
    .boolean()
    .default(true)
    .describe(
      'Whether devices pull the other modules of their deployment from the registry that they host (127.0.0.1:<port>/…), so that their bytes come over the link once; false leaves them at the registry that the runtime comes from'
    ),
  token: token
    .optional()
    .describe('The client token for it; where it is not given, the first of the device that may read them all')
})

const network = z.strictObject({
  httpsProxy: z
    .url({ protocol: /^https?$/, error: 'must be an address such as http://proxy.plant.example:3128' })
    .refine((address) => URL.parse(address)?.username === '', {
      error: 'must hold no user and password: this file is no place for secrets; set https_proxy in the template'
    })
    .optional()
    .describe(
      'https_proxy of edgeAgent, edgeHub and the connected registry: of devices at the top where it stands for the site, else of the device it stands at'
    ),
  noProxy: z.string().min(1).optional().describe('no_proxy, where httpsProxy is set'),
  upstreamProtocol: z
    .enum(['Amqp', 'AmqpWs', 'Mqtt', 'MqttWs'])
    .optional()
    .describe('UpstreamProtocol of edgeAgent and edgeHub; the Ws ones go through proxies and over port 443')
})

const deviceId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, { error: "must be the device's id in IoT Hub" })

const hostName = z
  .string()
  .regex(/^[a-zA-Z0-9](?:[a-zA-Z0-9.-]{0,251}[a-zA-Z0-9])?$/, { error: 'must be a host name or an address' })
  .optional()
  .describe("The device's name on the network (hostname of its config.toml), which devices below reach it by")

const device = z.strictObject({
  connectedRegistry: z.strictObject({
    name: connectedRegistryName,
    mode: z.enum(['ReadOnly', 'ReadWrite']).default('ReadOnly'),
    syncToken: token.optional().describe('<name>-sync-token where it is not given'),
    resource: z
      .boolean()
      .default(false)
      .describe(
        'Whether to make the connected registry in Azure Resource Manager too: billed each, 50 at most in a Premium registry, with its data endpoint enabled; Causeway needs none of it, and its connectionState stays Offline'
      )
  }),
  resourceSettings: resourceSettings
    .default({})
    .describe("Of this device's connected registry in Azure Resource Manager, each in place of the site's"),
  parent: z.string().optional().describe('The device above this one, by its key in devices or relays'),
  port: z
    .int()
    .min(1)
    .max(65535)
    .default(8080)
    .describe("Port on the device's loopback, for its own pulls: 127.0.0.1:<port>/…"),
  dataFolder: z
    .string()
    .regex(/^\/[^:\s]+$/, { error: 'must be an absolute path on the device, without colons and spaces' })
    .default('/home/azureuser/connected-registry'),
  imageSets: z.array(z.string()).optional().describe('Which image sets this device holds; all where it is not given'),
  tokens: z.array(z.string()).optional().describe('Which client tokens this device knows; all where it is not given'),
  hostName,
  network: network.optional().describe("In place of the site's"),
  workloads: workloads.optional().describe("In place of the site's"),
  sync: settingsSchema.shape.sync.unwrap().optional(),
  status: settingsSchema.shape.status.unwrap().optional(),
  logLevel: settingsSchema.shape.logLevel.unwrap().optional(),
  settings: furtherSettings
    .default({})
    .describe("Further settings of this device's module, each in place of the site's")
})

const relay = z.strictObject({
  parent: z
    .string()
    .describe(
      'The device above this one, by its key in devices or relays; the nearest registry above needs settings: { registry: { challenge: Basic } }'
    ),
  hostName,
  network: network.optional().describe("In place of the site's")
})

const automaticDeployment = z.strictObject({
  targetCondition: z
    .string()
    .min(1)
    .refine((text) => !text.includes('"'), { error: 'takes single quotes only' })
    .describe("Which devices IoT Hub puts it on, such as tags.plant='north'; * for all"),
  priority: z
    .int()
    .min(0)
    .max(100_000)
    .describe('The higher goes first where several target a device; no two of a site may have the same'),
  devices: z
    .array(z.string())
    .min(1)
    .describe('The devices below that it is for, by key; * stands for anything. The condition must mean the same ones')
})

/** The site file: one site with its devices. `resolveSite` adds what one schema cannot see, such as names that must exist. */
export const siteSchema = z.strictObject({
  schemaVersion: z.literal('1.0', { error: 'must be "1.0", in quotes' }),
  azure,
  pullToken: z
    .strictObject({
      name: token.default('crimagepulltoken'),
      scopeMap: scopeMapName.default('connected-registry-pull'),
      passwords: passwords.optional().describe("In place of the site's")
    })
    .prefault({})
    .describe('What IoT Edge itself pulls with'),
  images: images.prefault({}),
  imports: z.array(importedImage).default([]).describe("Images to import beside the runtime's"),
  scopeMaps: settingsSchema.shape.scopeMaps,
  tokens: z
    .record(
      token,
      z.strictObject({
        scopeMap: z.string(),
        status: z.enum(['enabled', 'disabled']).default('enabled'),
        passwords: passwords.optional().describe("In place of the site's")
      })
    )
    .default({}),
  passwords: passwords
    .prefault({})
    .describe(
      "Of every token's passwords, devices' sync tokens included: a device that is not rotated in time loses its parent"
    ),
  imageSets: settingsSchema.shape.imageSets,
  network: network.prefault({}),
  apiProxyPort: z
    .int()
    .min(1)
    .max(65535)
    .default(8000)
    .describe('Where API proxies listen, the same at every hop: NGINX_DEFAULT_PORT in the template'),
  workloads: workloads.prefault({}),
  sync: settingsSchema.shape.sync,
  status: settingsSchema.shape.status,
  logLevel: settingsSchema.shape.logLevel,
  settings: furtherSettings
    .default({})
    .describe('Further settings of every module; `causeway schema settings` has all'),
  resourceSettings: resourceSettings
    .default({})
    .describe(
      'Of connected registries in Azure Resource Manager (resource: true); devices of Causeway follow sync, logLevel and settings instead'
    ),
  retired: z
    .array(z.string().regex(/^[a-zA-Z0-9]{5,50}$/, { error: 'must be the name of a connected registry' }))
    .default([])
    .describe(
      'Connected registries to delete from Azure Resource Manager, each with its sync token and scope map where nothing here uses them; provision asks for --allow-remove'
    ),
  moduleName: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,128}$/)
    .default('connected-registry')
    .describe('What the deployment template calls the module'),
  deployments: z
    .record(
      z
        .string()
        .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, { error: 'must be lower-case letters, digits and hyphens, 40 at most' }),
      automaticDeployment
    )
    .default({})
    .describe("Devices that IoT Hub's automatic deployments bring their modules to, instead of one by one"),
  relays: z
    .record(deviceId, relay)
    .default({})
    .describe(
      'Devices without a registry of their own, by id in IoT Hub, patterns too: of the template they run edgeAgent, edgeHub and the API proxy alone, which passes pulls on to the device above, and they pull these as the pull token'
    ),
  devices: z
    .record(deviceId, device)
    .refine((devices) => Object.keys(devices).length > 0, { error: 'needs a device' })
    .describe(
      'By id in IoT Hub. A key such as ship-{001..400} or {north,south}-{1..20} means many, with {1} and {2} in its values for what the braces stand for; an entry that means fewer devices goes over one that means more, key by key'
    )
})

export type SiteDocument = z.output<typeof siteSchema>

function isImage(text: string): boolean {
  const colon = text.lastIndexOf(':')
  return colon > 0 && isRepository(text.slice(0, colon)) && isTag(text.slice(colon + 1))
}

function isSource(text: string): boolean {
  const slash = text.indexOf('/')
  return /^[a-z0-9.-]+\.[a-z]{2,}(?::\d+)?$/i.test(text.slice(0, Math.max(slash, 0))) && isImage(text.slice(slash + 1))
}
