import { z } from 'zod'
import { logLevels } from '../log/log.ts'
import { isAddressRange } from './address-range.ts'
import { artifactReference } from './artifact-reference.ts'
import { cron } from './cron.ts'
import { imageSet } from './image-set.ts'
import { parseNotificationPattern } from './notification-pattern.ts'
import { isEndpoint } from './parent-endpoint.ts'
import { isPasswordHash } from './password-hash.ts'
import { retentionRule, stay } from './retention.ts'
import { mostActionsPerScopeMap, readScopeMap } from './scope-map.ts'
import { sync } from './sync-settings.ts'

/** The version of this document that the module and the generator of this release speak. */
export const settingsSchemaVersion = '1.0'

/** Keys that a layered deployment may add to; never a repository, tag or digest (twin keys take no dots). */
export const settingsNamePattern = /^[a-z0-9][a-z0-9_-]{0,49}$/
const settingsName = z.string().regex(settingsNamePattern)

const scopeMap = z.strictObject({
  actions: z
    .array(z.string())
    .max(mostActionsPerScopeMap)
    .superRefine((actions, context) => {
      for (const { index, reason } of readScopeMap(actions).problems)
        context.addIssue({ code: 'custom', path: [index], message: reason })
    })
    .describe("ACR's grammar: repositories/<name>/content/read and so on; a trailing /* covers what is below")
})

const password = z.strictObject({
  hash: z
    .string()
    .refine(isPasswordHash, { error: 'must be a password hash that `causeway` made' })
    .describe('The salted hash of the password, as `causeway` makes it'),
  expiry: z.iso
    .datetime({ offset: true })
    .optional()
    .describe('When it stops being taken (ISO 8601); never where it is not given')
})

const clientToken = z.strictObject({
  name: z
    .string()
    .regex(/^[a-zA-Z0-9-]{5,50}$/)
    .optional()
    .describe("The token's name in ACR, where it differs from its key here (upper-case letters)"),
  scopeMap: settingsName.describe('A key of scopeMaps'),
  status: z
    .enum(['enabled', 'disabled'])
    .default('enabled')
    .describe('Whether it may log in; disabled holds at once, for what is logged in too'),
  passwords: z
    .strictObject({ password1: password.optional(), password2: password.optional() })
    .refine((slots) => slots.password1 ?? slots.password2, { error: 'needs password1, password2 or both' })
})

const parent = z.strictObject({
  endpoint: z
    .string()
    .refine(isEndpoint, { error: 'must be host or host:port' })
    .describe('host[:port] of the parent; $IOTEDGE_PARENTHOSTNAME is filled in on the device'),
  protocol: z
    .enum(['https', 'http'])
    .default('https')
    .describe('http: the password goes in the clear, which only a network of its own is for'),
  tokenName: z.string().min(1).describe('The sync token, as which the parent is asked'),
  password: z.string().min(1).describe('A password of that token; a secret, never reported nor logged')
})

const anonymousPull = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Whether everybody may pull without a login'),
    scopeMap: settingsName
      .optional()
      .describe('Limits it to what a scope map may read; without one every repository can be read')
  })
  .prefault({})

const tls = z.discriminatedUnion('source', [
  z.strictObject({ source: z.literal('none').describe('Where the certificate comes from') }),
  z.strictObject({
    source: z.literal('files'),
    certificate: z
      .string()
      .min(1)
      .describe('Path of the PEM file with the certificate and those that lead to its authority'),
    key: z.string().min(1).describe('Path of the PEM file with its private key')
  }),
  z.strictObject({ source: z.literal('workload') })
])

const registry = z
  .strictObject({
    challenge: z
      .enum(['Bearer', 'Basic'])
      .default('Bearer')
      .describe(
        'Basic where devices pull through relaying proxies: a Bearer realm names a host that they cannot reach'
      ),
    tls: tls
      .default({ source: 'none' })
      .describe('none: plain HTTP behind the API proxy; files: PEM files; workload: a certificate from IoT Edge'),
    missingContent: z
      .enum(['accepted', 'refused'])
      .default('accepted')
      .describe('Pushed manifests that name blobs or manifests which their repository does not hold (sparse indexes)'),
    plainHttpCredentials: z
      .enum(['refused', 'allowed'])
      .default('refused')
      .describe('Credentials over plain HTTP from anywhere but loopback and the container networks'),
    trustedProxies: z
      .array(z.string().refine(isAddressRange, { error: 'must be an address or a CIDR range, such as 10.1.0.0/16' }))
      .default([])
      .describe(
        'Addresses or CIDR ranges whose X-Forwarded-* headers count, beside loopback and the container networks'
      )
  })
  .prefault({})

const parentTokens = z
  .strictObject({
    enabled: z
      .boolean()
      .default(false)
      .describe('Whether a token unknown to this device may be verified with the parent'),
    offlineHours: z
      .number()
      .min(0)
      .max(8760)
      .default(24)
      .describe('Hours for which such a verification counts while offline')
  })
  .prefault({})

const storage = z
  .strictObject({
    reserveMebibytes: z.int().min(0).default(1024).describe('Space on the disk that is never used'),
    untagged: stay
      .default('P1D')
      .describe(
        'For how long manifests stay that no tag, index or subject leads to (ISO 8601); whoever pushes by digest needs it'
      ),
    retention: z
      .record(settingsName, retentionRule)
      .default({})
      .describe(
        'Which tags stay of what clients push; what an image set brings is governed by newest and deletions there'
      ),
    garbageCollection: z
      .strictObject({
        enabled: z.boolean().default(true).describe('Whether what nothing leads to any more is removed from the disk'),
        schedule: cron.default('0 5 * * *').describe('When (cron, UTC)')
      })
      .prefault({}),
    scrub: z
      .strictObject({
        enabled: z.boolean().default(true).describe('Whether it is done; what is damaged is fetched again'),
        schedule: cron.default('0 3 * * 0').describe('When (cron, UTC)')
      })
      .prefault({})
      .describe('Reads every blob again at low priority and compares it with its digest')
  })
  .prefault({})

const page = z
  .strictObject({
    open: z
      .boolean()
      .default(false)
      .describe('Whether everybody who reaches the port may see the page at /acr/; without it, client tokens may')
  })
  .prefault({})

/** The desired-property document, and the settings file of a module without IoT Edge. */
export const settingsSchema = z
  .strictObject({
    schemaVersion: z
      .string()
      .regex(/^1\.\d+$/, { error: `this module reads schema version ${settingsSchemaVersion}; update one of the two` })
      .describe(`The version of this document, ${settingsSchemaVersion}`),
    mode: z
      .enum(['ReadOnly', 'ReadWrite'])
      .default('ReadOnly')
      .describe('ReadWrite takes pushes and deletes, and tells the parent of them'),
    logLevel: z
      .enum(logLevels)
      .default('Information')
      .describe('The least serious lines that are logged; Debug adds one for every request'),
    parent: parent.optional().describe('Overrides ACR_REGISTRY_CONNECTION_STRING'),
    settingsArtifact: artifactReference
      .optional()
      .describe(
        'Further imageSets and scopeMaps, where they do not fit into the twin: an OCI artifact in the parent, by the digest of its manifest'
      ),
    imageSets: z.record(settingsName, imageSet).default({}),
    scopeMaps: z.record(settingsName, scopeMap).default({}),
    tokens: z.record(settingsName, clientToken).default({}),
    anonymousPull,
    registry,
    parentTokens,
    storage,
    page,
    sync: sync.prefault({}),
    notifications: z
      .array(
        z.string().refine((text) => parseNotificationPattern(text) !== undefined, {
          error: 'must be name[:tag][@digest]:action, each part may be *, such as hello-world:*:push'
        })
      )
      .max(100)
      .default([])
      .describe(
        'Pushes and deletes to tell of, as events like those of ACR, in the message output notifications: name[:tag][@digest]:action with * for a whole part; a name may end in /*'
      ),
    notificationsWebhook: z
      .url({ protocol: /^https$/, error: 'must be an https URL' })
      .optional()
      .describe(
        'Gets the same events by POST, as a JSON array; through the outbound proxy. User and password in the address are sent as Basic'
      ),
    status: z
      .strictObject({
        progressSeconds: z
          .number()
          .min(1)
          .max(86400)
          .default(900)
          .describe('Seconds between two reports of mere progress; changes of state are reported at once'),
        updatesPerDay: z
          .int()
          .min(10)
          .max(5000)
          .default(200)
          .describe('Twin updates in any 24 hours, at most: the hub is shared, and counts each')
      })
      .prefault({})
  })
  .superRefine((settings, context) => {
    for (const [name, token] of Object.entries(settings.tokens))
      if (!Object.hasOwn(settings.scopeMaps, token.scopeMap))
        context.addIssue({
          code: 'custom',
          path: ['tokens', name, 'scopeMap'],
          message: `there is no scope map ${token.scopeMap} in scopeMaps`
        })
    const anonymous = settings.anonymousPull.scopeMap
    if (anonymous !== undefined && !Object.hasOwn(settings.scopeMaps, anonymous))
      context.addIssue({
        code: 'custom',
        path: ['anonymousPull', 'scopeMap'],
        message: `there is no scope map ${anonymous} in scopeMaps`
      })
  })

/** Settings with every default filled in. */
export type Settings = z.output<typeof settingsSchema>
/** Settings as a person or the generator writes them. */
export type SettingsInput = z.input<typeof settingsSchema>
