import type { Environment } from './settings/environment.ts'

/** What to do where there are no settings. */
export function howToMend({ source }: Environment): string {
  return source.kind === 'twin'
    ? `there are no settings in this module's twin; give it some with: causeway configure --site <site file> --device ${source.deviceId}`
    : `there are no settings in ${source.path}; "causeway schema settings" says what it may hold`
}
