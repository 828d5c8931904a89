import type { ScopeMap } from '@azure/arm-containerregistry'
import { sameActions } from '../../acr/actions.ts'
import type { CloudRegistry } from '../../acr/cloud-registry.ts'
import { checkName } from '../../acr/names.ts'
import { generateStored } from '../../acr/stored-credentials.ts'
import { GeneratorError } from '../../errors.ts'
import { refuseWhilePending } from '../../secrets/refuse-while-pending.ts'
import { slots, type Slot } from '../../secrets/store.ts'
import type { AcrCommand } from './command.ts'
import type { Invocation } from './invocation.ts'
import * as options from './options.ts'
import { forget, loginServerOf, shownCredentials } from './passwords.ts'
import { rulesOf } from './scope-maps.ts'
import { tokenShape } from './shapes.ts'
import { credentialsTable, tokenTable } from './tables.ts'

const place = [options.registry, options.resourceGroup]
const name = options.named('token')
const scopeMap = {
  names: ['--scope-map'],
  arity: 'one',
  help: 'name of the scope map that says what it may do'
} as const
const passwordFlags = slots.map((slot) => ({
  names: [`--${slot}`],
  arity: 'flag' as const,
  help: `only ${slot} (default: both)`
}))

export const tokenCommands: readonly AcrCommand[] = [
  {
    words: 'token create',
    summary: 'make a token and its two passwords, which are stored, then printed',
    options: [
      name,
      ...place,
      scopeMap,
      options.repositoryRules,
      options.gatewayRules,
      options.status,
      options.threeState('--no-passwords', 'make no passwords now'),
      options.expiration,
      options.expirationInDays
    ],
    table: tokenTable,
    run: create
  },
  {
    words: 'token update',
    summary: "change a token's scope map or status",
    options: [name, ...place, scopeMap, options.status],
    table: tokenTable,
    async run(call) {
      const token = checkName('token', call.args.text('--name'))
      const map = call.args.optional('--scope-map')
      const status = call.args.optional('--status')
      // az enables a disabled token where --status is not given. A token that was withdrawn stays withdrawn here.
      if (map === undefined && status === undefined)
        throw call.args.usage('nothing to update: give --scope-map or --status')
      if (map !== undefined) checkName('scope map', map)
      const cloud = await call.registry()
      return tokenShape(
        await cloud.updateToken(token, {
          ...(map === undefined ? {} : { scopeMapId: cloud.idOf('scopeMaps', map) }),
          ...(status === undefined ? {} : { status })
        })
      )
    }
  },
  {
    words: 'token delete',
    summary: 'delete a token; its passwords stop working',
    options: [name, ...place, options.yes],
    async run(call) {
      const token = checkName('token', call.args.text('--name'))
      await call.confirm(
        `Deleting the token '${token}' will invalidate access to anyone using its credentials. Proceed?`
      )
      const cloud = await call.registry()
      await cloud.deleteToken(token)
      await forget(call, cloud, token, slots)
      return null
    }
  },
  {
    words: 'token show',
    summary: 'show a token',
    options: [name, ...place],
    table: tokenTable,
    async run(call) {
      const token = checkName('token', call.args.text('--name'))
      return tokenShape(await (await call.registry()).token(token))
    }
  },
  {
    words: 'token list',
    summary: 'list the tokens',
    options: place,
    table: tokenTable,
    async run(call) {
      return (await (await call.registry()).tokens()).map(tokenShape)
    }
  },
  {
    words: 'token credential generate',
    summary: 'make passwords anew; they are stored, then printed, and those before them stop working',
    options: [name, ...place, ...passwordFlags, options.expiration, options.expirationInDays],
    table: credentialsTable,
    async run(call) {
      const token = checkName('token', call.args.text('--name'))
      const expiry = expiryOf(call)
      const chosen = chosenSlots(call)
      const cloud = await call.registry()
      const store = await call.context.secrets({ loginServer: await loginServerOf(cloud) }, 'write')
      const made = await generateStored(cloud, store, token, chosen.length === 0 ? slots : chosen, expiry)
      return shownCredentials(call, made, store.place)
    }
  },
  {
    words: 'token credential delete',
    summary: 'take passwords away',
    options: [name, ...place, ...passwordFlags],
    table: tokenTable,
    async run(call) {
      const token = checkName('token', call.args.text('--name'))
      const chosen = chosenSlots(call)
      if (chosen.length === 0) throw call.args.usage('no credentials to delete: give --password1, --password2 or both')
      const cloud = await call.registry()
      refuseWhilePending(await call.context.secrets({ loginServer: await loginServerOf(cloud) }, 'read'), token)
      const held = (await cloud.token(token)).credentials?.passwords ?? []
      const absent = chosen.filter((slot) => !held.some((password) => password.name === slot))
      if (absent.length > 0)
        throw new GeneratorError('USAGE', `token ${token} has no ${absent.join(' and no ')}; nothing was deleted`)
      const kept = held.flatMap((password) =>
        chosen.some((slot) => slot === password.name) || password.name === undefined ? [] : [{ name: password.name }]
      )
      const updated = await cloud.updateToken(token, { credentials: { passwords: kept } })
      await forget(call, cloud, token, chosen)
      return tokenShape(updated)
    }
  }
]

async function create(call: Invocation): ReturnType<AcrCommand['run']> {
  const { args } = call
  const token = checkName('token', args.text('--name'))
  const named = args.optional('--scope-map')
  const actions = rulesOf(call, '--repository', '--gateway')
  if ((named === undefined) === (actions.length === 0))
    throw args.usage('give either --scope-map, or --repository and --gateway')
  if (named !== undefined) checkName('scope map', named)
  const withPasswords = args.threeState('--no-passwords') !== true
  const expiry = expiryOf(call)
  if (!withPasswords && expiry !== undefined) throw args.usage('--no-passwords goes with no expiration')
  // az's own name for it; long names of tokens leave no room for it.
  const mapName = named ?? checkName('scope map', `${token}-scope-map`)
  const cloud = await call.registry()
  // Before anything is made: where passwords cannot be kept, there is to be no token either.
  const store = withPasswords
    ? await call.context.secrets({ loginServer: await loginServerOf(cloud) }, 'write')
    : undefined
  if (store !== undefined) refuseWhilePending(store, token)
  const scopeMapId = named === undefined ? await ownScopeMap(call, cloud, token, mapName, actions) : undefined
  const status = args.optional('--status') === 'disabled' ? 'disabled' : 'enabled'
  const made = await cloud.createToken(token, { scopeMapId: scopeMapId ?? cloud.idOf('scopeMaps', mapName), status })
  const shown = tokenShape(made)
  if (store === undefined) return shown
  const credentials = await generateStored(cloud, store, token, slots, expiry)
  return { ...shown, credentials: { certificates: [], ...shownCredentials(call, credentials, store.place) } }
}

/** The scope map that az makes for a token. One that is there already serves where it allows the same. */
async function ownScopeMap(
  call: Invocation,
  cloud: CloudRegistry,
  token: string,
  name: string,
  actions: readonly string[]
): Promise<string | undefined> {
  const existing: ScopeMap | undefined = await cloud.findScopeMap(name)
  if (existing === undefined) {
    call.warn(`Creating a scope map "${name}" for provided permissions.`)
    return (await cloud.createScopeMap(name, { description: `Created by token: ${token}`, actions })).id
  }
  if (sameActions(existing.actions ?? [], actions)) return existing.id
  throw new GeneratorError(
    'AZURE_CONFLICT',
    `scope map ${name} is there already and allows something else. Change it with causeway acr scope-map update -n ${name} -r ${cloud.address.name}, and give --scope-map ${name}`
  )
}

function chosenSlots(call: Invocation): readonly Slot[] {
  return slots.filter((slot) => call.args.has(`--${slot}`))
}

const millisecondsPerDay = 86_400_000

function expiryOf(call: Invocation): Date | undefined {
  const { args } = call
  const days = args.optional('--expiration-in-days')
  const text = args.optional('--expiration')
  if (days !== undefined && text !== undefined)
    throw args.usage('give --expiration or --expiration-in-days, and not both')
  if (days !== undefined) {
    if (!/^[1-9]\d{0,5}$/.test(days)) throw args.usage('--expiration-in-days takes a number of days from 1')
    return new Date(Date.now() + Number(days) * millisecondsPerDay)
  }
  if (text === undefined) return undefined
  const expiry = new Date(text)
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) || Number.isNaN(expiry.getTime()))
    throw args.usage('--expiration takes a time in UTC, such as 2030-12-31T12:59:59Z')
  if (expiry.getTime() <= Date.now()) throw args.usage(`--expiration ${text} is past`)
  return expiry
}
