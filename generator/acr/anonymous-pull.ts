import type { Site } from '../site-file/site.ts'

/** What the documentation of Azure warns of (container-registry/anonymous-pull-access). */
export const anonymousPullWarnings = [
  'every repository of the registry becomes readable by everybody who reaches it: there is no switch for single ones',
  'tokens and scope maps no longer restrict pulls, in the cloud registry and for whoever is logged in there',
  'all anonymous callers share one limit of requests, and are throttled together',
  'clients that are logged in have to docker logout first, or they go on with their own permissions'
] as const

/** The same for a site file that asks for it, a line each. */
export function anonymousPullNotes({ azure }: Pick<Site, 'azure'>): readonly string[] {
  return azure.anonymousPull === true ? anonymousPullWarnings.map((text) => `warning ANONYMOUS_PULL: ${text}`) : []
}
