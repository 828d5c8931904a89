import { Family, syncScopeMap } from '../../acr/family.ts'
import { leafOf } from '../../acr/cloud-registry.ts'
import { checkName } from '../../acr/names.ts'
import type { AcrCommand } from './command.ts'
import { createConnectedRegistry, createOptions } from './connected-registry-create.ts'
import { deleteConnectedRegistry } from './connected-registry-delete.ts'
import { getSettings } from './connected-registry-settings.ts'
import { updateConnectedRegistry, updateOptions } from './connected-registry-update.ts'
import { updatePermissions } from './connected-registry-permissions.ts'
import type { Invocation } from './invocation.ts'
import * as options from './options.ts'
import { connectedRegistryShape, scopeMapShape, tokenShape } from './shapes.ts'
import { connectedRegistryListTable, connectedRegistryTable, scopeMapTable, tokenTable } from './tables.ts'

const place = [options.registry, options.resourceGroup]
const name = options.named('connected registry')

export const connectedRegistryCommands: readonly AcrCommand[] = [
  {
    words: 'connected-registry create',
    summary: 'make a connected registry with its sync token, and extend what those above it may fetch',
    options: [name, ...place, ...createOptions, options.yes],
    table: connectedRegistryTable,
    run: createConnectedRegistry
  },
  {
    words: 'connected-registry update',
    summary: 'change client tokens, schedule, notifications, log level or garbage collection',
    options: [name, ...place, ...updateOptions],
    table: connectedRegistryTable,
    run: updateConnectedRegistry
  },
  {
    words: 'connected-registry delete',
    summary: 'delete a connected registry, and with --cleanup what was made for it',
    options: [
      name,
      ...place,
      {
        names: ['--cleanup'],
        arity: 'flag',
        help: 'delete its sync token and scope map too, and its gateway above it'
      },
      options.yes
    ],
    run: deleteConnectedRegistry
  },
  {
    words: 'connected-registry show',
    summary: 'show a connected registry',
    options: [name, ...place],
    table: connectedRegistryTable,
    async run(call) {
      const registry = nameOf(call)
      return connectedRegistryShape(await (await call.registry()).connectedRegistry(registry))
    }
  },
  {
    words: 'connected-registry list',
    summary: 'list connected registries: all, or those below one',
    options: [
      ...place,
      { names: ['--parent', '-p'], arity: 'one', help: 'only those below this connected registry' },
      { names: ['--no-children'], arity: 'flag', help: 'only those directly below it, or below the cloud registry' }
    ],
    table: connectedRegistryListTable,
    run: list
  },
  {
    words: 'connected-registry deactivate',
    summary: 'let another instance take the place of the one that runs',
    options: [name, ...place, options.yes],
    async run(call) {
      const registry = nameOf(call)
      await call.confirm(
        `Are you sure you want to deactivate the connected registry '${registry}' in '${call.args.text('--registry')}'?`
      )
      await (await call.registry()).deactivateConnectedRegistry(registry)
      return null
    }
  },
  {
    words: 'connected-registry list-client-tokens',
    summary: 'list the tokens whose holders may use a connected registry',
    options: [name, ...place],
    table: tokenTable,
    async run(call) {
      const registry = nameOf(call)
      const cloud = await call.registry()
      const { clientTokenIds = [] } = await cloud.connectedRegistry(registry)
      const tokens = []
      for (const id of clientTokenIds) tokens.push(tokenShape(await cloud.token(leafOf(id))))
      return tokens
    }
  },
  {
    words: 'connected-registry get-settings',
    summary: 'print what a connected registry is started with, with a new password where asked for',
    options: [
      name,
      ...place,
      {
        names: ['--parent-protocol'],
        arity: 'one',
        required: true,
        choices: ['http', 'https'],
        help: 'how it speaks to its parent; always https with the cloud registry'
      },
      {
        names: ['--generate-password'],
        arity: 'one',
        choices: ['1', '2'],
        help: 'make this password of the sync token anew; it is stored, then printed, and the one before it stops working'
      },
      options.yes
    ],
    run: getSettings
  },
  {
    words: 'connected-registry permissions show',
    summary: 'show the scope map of its sync token',
    options: [name, ...place],
    table: scopeMapTable,
    async run(call) {
      const registry = nameOf(call)
      const cloud = await call.registry()
      return scopeMapShape(await syncScopeMap(cloud, await cloud.connectedRegistry(registry)))
    }
  },
  {
    words: 'connected-registry permissions update',
    summary: 'add repositories here and above, remove repositories here and below',
    options: [
      name,
      ...place,
      { names: ['--add'], arity: 'any', append: true, help: 'repositories to sync, here and in all that are above' },
      {
        names: ['--remove'],
        arity: 'any',
        append: true,
        help: 'repositories to sync no longer, here and in all that are below'
      }
    ],
    table: scopeMapTable,
    run: updatePermissions
  }
]

function nameOf(call: Invocation): string {
  return checkName('connected registry', call.args.text('--name'))
}

/** `--parent` names one registry, where az takes every registry whose id ends so. */
async function list(call: Invocation): ReturnType<AcrCommand['run']> {
  const parentName = call.args.optional('--parent')
  if (parentName !== undefined) checkName('connected registry', parentName)
  const direct = call.args.has('--no-children')
  const cloud = await call.registry()
  const all = await cloud.connectedRegistries()
  const family = new Family(all)
  if (parentName === undefined) return (direct ? family.roots() : all).map(connectedRegistryShape)
  const parent = family.find(parentName)
  if (parent === undefined)
    throw call.args.usage(`registry ${cloud.address.name} has no connected registry ${parentName}`)
  return (direct ? family.childrenOf(parent) : family.descendantsOf(parent)).map(connectedRegistryShape)
}
