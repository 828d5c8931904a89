import { repositoryOf, type Site } from '../site-file/site.ts'
import type { Acr, ImageImport } from './acr.ts'
import type { Outcome } from './provision.ts'

/** Where Microsoft publishes the runtime, and what its images are called there. */
const microsoft = 'mcr.microsoft.com'

/**
 * The images to import: the runtime's, and those of the site file. Causeway's own image is not among them, since whoever
 * builds it pushes it.
 */
export function importsOf(site: Site, force: boolean): ImageImport[] {
  const runtime = (['agent', 'hub', 'apiProxy', 'diagnostics'] as const).map((kind) => {
    const target = site.images[kind]
    const tag = target.slice(repositoryOf(target).length)
    return { registry: microsoft, source: `${runtimeSources[kind]}${tag}`, target, force }
  })
  const others = site.imports.map(({ source, image }) => {
    const slash = source.indexOf('/')
    return { registry: source.slice(0, slash), source: source.slice(slash + 1), target: image, force }
  })
  return [...runtime, ...others]
}

const runtimeSources = {
  agent: 'azureiotedge-agent',
  hub: 'azureiotedge-hub',
  apiProxy: 'azureiotedge-api-proxy',
  diagnostics: 'azureiotedge-diagnostics'
} as const

/** Imports one image; one that is there already counts as unchanged. */
export async function importImage(acr: Acr, image: ImageImport): Promise<Outcome> {
  const result = await acr.importImage(image)
  return {
    kind: 'image',
    name: image.target,
    outcome: result === 'imported' ? 'created' : 'unchanged',
    detail: result === 'imported' ? `from ${image.registry}/${image.source}` : 'already there'
  }
}
