import { refusedByEngines } from './image-reference.ts'
import type { Spot } from './place.ts'
import { angleHole, documentHoles, filled, markIn, templateHole } from './placeholders.ts'

/** edgeAgent's own, loose expression (DockerConfig.cs, deployment-manifests.md §1.2): no tag together with a digest. */
const imageForm = /^(?:[^/]*\/)*[^/:]+(?::[^/:]+)?$/
const upstreamForm = /\$upstream:[1-9]/i

/** An image as far as it can be read: the registry it comes from, or nothing where a template leaves that open. */
export interface ReadImage {
  readonly name: string
  /** The first part where edgeAgent takes it for a host: with a dot or colon in it (DockerUtil.cs). */
  readonly registry: string | undefined
}

/**
 * Checks an image's name.
 *
 * @returns undefined where it is wrong, or not known before a template is expanded
 */
export function checkImage(spot: Spot): ReadImage | undefined {
  const { node, around } = spot
  if (node.kind === 'placeholder' && around.kind === 'template') return undefined
  if (node.kind !== 'string' || node.value.trim() === '') {
    spot.finding('M030', 'the image must be a text that is not blank')
    return undefined
  }
  const written = node.value.trim()
  const hole = templateHole(written) ?? markIn(written)
  if (around.kind === 'template' && hole !== undefined) {
    if (/^\$upstream\//i.test(written)) spot.finding('M032', withoutPort)
    return undefined
  }
  const name = angleHole(written) === undefined ? written : (filled(written, documentHoles)[0] ?? written)
  if (name.startsWith('$') && !upstreamForm.test(name)) {
    if (/^\$upstream(?:[:/]|$)/i.test(name)) spot.finding('M032', withoutPort)
    else spot.finding('M030', `${written} starts with a variable; edgeAgent knows $upstream:<port> only`)
    return undefined
  }
  if (!imageForm.test(name)) {
    if (/:[^/:@]+@[a-z0-9]+:[0-9a-f]+$/i.test(name))
      spot.finding('M031', `${written} has a tag and a digest; edgeAgent takes one of them`)
    else spot.finding('M030', `${written} is not an image name`)
    return undefined
  }
  const [first = '', ...rest] = name.split('/')
  if (hole === undefined) {
    const refused = refusedByEngines(name.replace(/^\$upstream(?=:)/i, 'upstream'), name !== written)
    if (refused !== undefined) spot.finding('M036', `no container engine pulls ${written}: ${refused}`)
    else checkTag(spot, name)
  } else if ((templateHole(first) ?? markIn(first)) !== undefined) return undefined
  return { name, registry: rest.length > 0 && /[.:]/.test(first) ? first : undefined }
}

const withoutPort = '$upstream needs a port, as in $upstream:8000/…'

function checkTag(spot: Spot, name: string): void {
  const last = name.slice(name.lastIndexOf('/') + 1)
  const tag = last.includes(':') ? last.slice(last.indexOf(':') + 1) : undefined
  if (last.includes('@')) return
  if (tag === undefined) spot.finding('M091', `${name} has no tag, so edgeAgent pulls ${name}:latest`)
  else if (tag === 'latest') spot.finding('M091', `${name} is whatever was latest when it was pulled`)
  else if (/[.-]debug$/i.test(tag)) spot.finding('M090', `${name} is a debug image`)
}
