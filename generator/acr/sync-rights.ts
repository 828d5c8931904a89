import { readScopeMap, repositoryActions, type RepositoryAction } from '../../module/settings/scope-map.ts'
import { repositoriesOf, type Device, type Site } from '../site-file/site.ts'

const reading: readonly RepositoryAction[] = ['content/read', 'metadata/read']

/**
 * What a device's sync token needs on repositories of its parent. It reads what it holds. In ReadWrite mode it also takes up what
 * is pushed and deleted on the device: to the repositories that it holds, as az has it, and to those others that its client tokens may
 * write to or delete from, to which it may do just that.
 *
 * @param site the device's
 */
export function syncRights(site: Site, device: Device): string[] {
  const held = repositoriesOf(site, [device]).flatMap((name) =>
    (device.mode === 'ReadWrite' ? repositoryActions : reading).map((action) => actionOn(name, action))
  )
  return device.mode === 'ReadWrite' ? [...held, ...clientWrites(site, device)] : held
}

/** A push asks first what is there: it needs to read as well. */
function clientWrites(site: Site, device: Device): string[] {
  return device.tokens.flatMap((token) => {
    const scopeMap = site.scopeMaps[site.tokens[token]?.scopeMap ?? '']
    return readScopeMap(scopeMap?.actions ?? [])
      .permissions.filter(({ action }) => action === 'content/write' || action === 'content/delete')
      .flatMap(({ pattern, action }) => [...reading, action].map((each) => actionOn(pattern, each)))
  })
}

export function actionOn(repository: string, action: RepositoryAction): string {
  return `repositories/${repository}/${action}`
}
