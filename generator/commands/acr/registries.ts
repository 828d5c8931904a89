import type { AcrCommand } from './command.ts'
import { importCommand } from './import.ts'
import * as options from './options.ts'
import { registryShape } from './shapes.ts'
import { registryTable } from './tables.ts'

export const registryCommands: readonly AcrCommand[] = [
  {
    words: 'show',
    summary: 'show a cloud registry',
    options: [options.registryAsName, options.resourceGroup],
    table: registryTable,
    async run(call) {
      return registryShape(await (await call.registry('--name')).get())
    }
  },
  {
    words: 'update',
    summary: 'switch anonymous pull or the data endpoint of a cloud registry',
    options: [
      options.registryAsName,
      options.resourceGroup,
      options.threeState('--anonymous-pull-enabled', 'whether anybody may pull everything without logging in'),
      options.threeState('--data-endpoint-enabled', 'whether content comes from an address of its own')
    ],
    table: registryTable,
    async run(call) {
      const anonymous = call.args.threeState('--anonymous-pull-enabled')
      const dataEndpoint = call.args.threeState('--data-endpoint-enabled')
      if (anonymous === undefined && dataEndpoint === undefined)
        throw call.args.usage('nothing to update: give --anonymous-pull-enabled or --data-endpoint-enabled')
      const cloud = await call.registry('--name')
      if (anonymous === true)
        call.warn(
          'Anonymous pull makes every repository of the registry readable for everybody, tokens no longer restrict pulls, and all that pull so share one throttle. Clients that are logged in have to docker logout first.'
        )
      if (dataEndpoint === false)
        call.warn('Connected registries of this registry cannot sync without its data endpoint.')
      if (dataEndpoint === true)
        call.warn('Content now comes from the data endpoint: firewalls have to let clients reach it.')
      const updated = await cloud.update({
        ...(anonymous === undefined ? {} : { anonymousPullEnabled: anonymous }),
        ...(dataEndpoint === undefined ? {} : { dataEndpointEnabled: dataEndpoint })
      })
      return registryShape(updated)
    }
  },
  importCommand
]
