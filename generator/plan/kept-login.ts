import { isDeepStrictEqual } from 'node:util'
import { formatConnectionString, parseConnectionString } from '../../module/settings/connection-string.ts'
import type { ConnectionString } from '../../module/settings/connection-string.ts'
import type { DeploymentManifest } from '../deployment/generate.ts'
import { isRecord } from '../deployment/template.ts'
import type { HubTwin } from '../hub/hub.ts'
import { createdWith, normaliseAgent } from './normalise.ts'

type Document = Readonly<Record<string, unknown>>

/**
 * A device's deployment manifest with the login that `causeway rotate` gave it: that stands in the module's twin (`parent`) and goes
 * before the connection string of its environment. A deployment would take it away, and a new connection string would have the
 * container made anew. So where it is the login that the manifest has, it stays, and so does a connection string with another
 * password, unless the container is made anew anyway.
 */
export function keepLogin(
  current: ReadonlyMap<string, HubTwin>,
  manifest: DeploymentManifest,
  moduleName: string
): DeploymentManifest {
  const agent = sectionOf(manifest.modulesContent['$edgeAgent'], 'properties.desired')
  const module = sectionOf(sectionOf(agent, 'modules'), moduleName)
  const wanted = connectionOf(module)
  const parent = current.get(moduleName)?.desired['parent']
  if (wanted === undefined || !isRecord(parent) || !isLogin(parent, wanted)) return manifest
  const settings = sectionOf(manifest.modulesContent[moduleName], 'properties.desired')
  const modulesContent = {
    ...manifest.modulesContent,
    [moduleName]: { ...manifest.modulesContent[moduleName], 'properties.desired': { ...settings, parent } }
  }
  const before = current.get('$edgeAgent')?.desired ?? {}
  const has = connectionOf(sectionOf(sectionOf(before, 'modules'), moduleName))
  if (has === undefined || !isDeepStrictEqual({ ...has, syncTokenPassword: wanted.syncTokenPassword }, wanted))
    return { modulesContent }
  const env = { ...sectionOf(module, 'env'), [variable]: { value: formatConnectionString(has) } }
  const modules = { ...sectionOf(agent, 'modules'), [moduleName]: { ...module, env } }
  const kept = { ...agent, modules }
  if (!isDeepStrictEqual(containerOf(before, moduleName), containerOf(kept, moduleName))) return { modulesContent }
  return {
    modulesContent: {
      ...modulesContent,
      $edgeAgent: { ...manifest.modulesContent['$edgeAgent'], 'properties.desired': kept }
    }
  }
}

const variable = 'ACR_REGISTRY_CONNECTION_STRING'

/** Whether both log in as the same, with the same password, at the same parent. */
function isLogin(parent: Document, wanted: ConnectionString): boolean {
  return (
    parent['tokenName'] === wanted.syncTokenName &&
    parent['password'] === wanted.syncTokenPassword &&
    parent['endpoint'] === wanted.parentGatewayEndpoint &&
    (parent['protocol'] ?? 'https') === wanted.parentEndpointProtocol
  )
}

function connectionOf(module: Document): ConnectionString | undefined {
  const { value } = sectionOf(sectionOf(module, 'env'), variable)
  try {
    return typeof value === 'string' ? parseConnectionString(value) : undefined
  } catch {
    // What is none is compared as it stands.
    return undefined
  }
}

function containerOf(agent: Document, moduleName: string): unknown {
  return createdWith(sectionOf(normaliseAgent(agent), 'modules')[moduleName])
}

function sectionOf(document: Document | undefined, key: string): Document {
  const value = document?.[key]
  return isRecord(value) ? value : {}
}
