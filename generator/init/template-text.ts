import { readFile } from 'node:fs/promises'
import { shippedTemplate } from '../deployment/template.ts'
import type { ClientWay } from './names.ts'

interface TemplateModules {
  'connected-registry': { settings: { createOptions: { HostConfig: { PortBindings: Record<string, object[]> } } } }
  IoTEdgeAPIProxy?: object
}

interface TemplateDocument {
  modulesContent: { $edgeAgent: { 'properties.desired': { modules: TemplateModules } } }
}

/** The template that comes with Causeway, with the ports that clients are to come to. */
export async function templateText(clients: ClientWay): Promise<string> {
  const text = await readFile(shippedTemplate, 'utf8')
  if (clients === 'api-proxy') return text
  const document = JSON.parse(text) as TemplateDocument
  const { modules } = document.modulesContent.$edgeAgent['properties.desired']
  const ports = modules['connected-registry'].settings.createOptions.HostConfig.PortBindings
  ports['8080/tcp'] = [{ HostPort: '${device.port}' }]
  // It speaks plain HTTP with the registry, and there is nobody below for whom it would be needed.
  if (clients === 'tls') delete modules.IoTEdgeAPIProxy
  return `${JSON.stringify(document, undefined, 2)}\n`
}
