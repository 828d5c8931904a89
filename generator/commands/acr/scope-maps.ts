import { mostActionsPerScopeMap } from '../../../module/settings/scope-map.ts'
import { actionsOf, changeActions, checkActions, sameActions } from '../../acr/actions.ts'
import { checkName, checkOwnScopeMap } from '../../acr/names.ts'
import type { Option } from './arguments.ts'
import type { AcrCommand } from './command.ts'
import type { Invocation } from './invocation.ts'
import * as options from './options.ts'
import { scopeMapShape } from './shapes.ts'
import { scopeMapTable } from './tables.ts'

const place = [options.registry, options.resourceGroup]
const name = options.named('scope map')

const changes: readonly Option[] = [
  {
    names: ['--add-repository'],
    hidden: ['--add'],
    arity: 'some',
    append: true,
    help: 'REPO ACTION…: actions to allow; once for each repository'
  },
  {
    names: ['--remove-repository'],
    hidden: ['--remove'],
    arity: 'some',
    append: true,
    help: 'REPO ACTION…: actions to allow no longer'
  },
  { names: ['--add-gateway'], arity: 'some', append: true, help: 'GATEWAY ACTION…: actions to allow' },
  { names: ['--remove-gateway'], arity: 'some', append: true, help: 'GATEWAY ACTION…: actions to allow no longer' }
]

export const scopeMapCommands: readonly AcrCommand[] = [
  {
    words: 'scope-map create',
    summary: 'make a scope map, or replace the one of this name',
    options: [name, ...place, options.repositoryRules, options.gatewayRules, options.description],
    table: scopeMapTable,
    async run(call) {
      const scopeMap = checkOwnScopeMap(call.args.text('--name'))
      const actions = rulesOf(call, '--repository', '--gateway')
      if (actions.length === 0) throw call.args.usage('say what it allows, with --repository or --gateway')
      const description = descriptionOf(call)
      const cloud = await call.registry()
      return scopeMapShape(
        await cloud.createScopeMap(scopeMap, { ...(description === undefined ? {} : { description }), actions })
      )
    }
  },
  {
    words: 'scope-map update',
    summary: 'change what a scope map allows, or its description',
    options: [name, ...place, ...changes, options.description],
    table: scopeMapTable,
    async run(call) {
      const scopeMap = checkOwnScopeMap(call.args.text('--name'))
      const added = rulesOf(call, '--add-repository', '--add-gateway')
      const removed = rulesOf(call, '--remove-repository', '--remove-gateway')
      const both = added.filter((action) => removed.includes(action))
      if (both.length > 0) throw call.args.usage(`update ambiguity: to be added and removed: ${both.join(', ')}`)
      const description = descriptionOf(call)
      if (added.length + removed.length === 0 && description === undefined)
        throw call.args.usage('nothing to update: give actions to add or remove, or --description')
      const cloud = await call.registry()
      const before = (await cloud.scopeMap(scopeMap)).actions ?? []
      const actions = changeActions(before, added, removed)
      if (actions.length > mostActionsPerScopeMap)
        throw call.args.usage(
          `scope map ${scopeMap} would come to ${actions.length} actions, and ACR allows ${mostActionsPerScopeMap}`
        )
      return scopeMapShape(
        await cloud.updateScopeMap(scopeMap, {
          ...(description === undefined ? {} : { description }),
          ...(sameActions(before, actions) ? {} : { actions })
        })
      )
    }
  },
  {
    words: 'scope-map delete',
    summary: 'delete a scope map',
    options: [name, ...place, options.yes],
    async run(call) {
      const scopeMap = checkOwnScopeMap(call.args.text('--name'))
      await call.confirm(
        `Deleting the scope map '${scopeMap}' will remove its permissions with associated tokens. Proceed?`
      )
      await (await call.registry()).deleteScopeMap(scopeMap)
      return null
    }
  },
  {
    words: 'scope-map show',
    summary: 'show a scope map',
    options: [name, ...place],
    table: scopeMapTable,
    async run(call) {
      const scopeMap = checkName('scope map', call.args.text('--name'))
      return scopeMapShape(await (await call.registry()).scopeMap(scopeMap))
    }
  },
  {
    words: 'scope-map list',
    summary: 'list the scope maps, those that Azure defines among them',
    options: place,
    table: scopeMapTable,
    async run(call) {
      return (await (await call.registry()).scopeMaps()).map(scopeMapShape)
    }
  }
]

/** The actions of a command's flags for repositories and for gateways. */
export function rulesOf(call: Invocation, repositories: string, gateways: string): string[] {
  return checkActions([
    ...actionsOf('repositories', repositories, call.args.groups(repositories)),
    ...actionsOf('gateway', gateways, call.args.groups(gateways))
  ])
}

const longestDescription = 256

function descriptionOf(call: Invocation): string | undefined {
  const description = call.args.optional('--description')
  if (description !== undefined && description.length > longestDescription)
    throw call.args.usage(`--description has ${description.length} characters, and ACR allows ${longestDescription}`)
  return description
}
