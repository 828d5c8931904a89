import {
  invalidProperty,
  operationResults,
  optionalObject,
  optionalString,
  optionalStrings,
  registryId,
  required,
  type ArmContext,
  type Call,
  type ImportRefusal,
  type ImportRequest,
  type Json,
  type Reply
} from './context.ts'
import { ArmError } from './errors.ts'
import { loginServerOf } from './state.ts'

/** `POST …/importImage`: 202, and a poll URL that says 200 at the end. Nothing of it was recorded; by the specification. */
export async function importImage(context: ArmContext, call: Call): Promise<Reply> {
  if (call.method !== 'POST') throw new ArmError('MethodNotAllowed', `${call.method} is not supported here.`)
  const request = readRequest(context, call.body)
  const copy = await context.importImage(call.registry, request)
  if (typeof copy === 'string') throw refusal(copy, request)
  const headers = context.operations.startLocation(
    operationResults(context, call.registry),
    'registries',
    call.apiVersion,
    copy,
    { resourceId: registryId(context, call.registry) }
  )
  return { status: 202, headers, kind: 'registries' }
}

function refusal(reason: ImportRefusal, request: ImportRequest): ArmError {
  const image = `${request.registryUri}/${request.repository}:${request.reference}`
  const targets = request.targets.flatMap(({ repository, tag }) => (tag === undefined ? [] : [`${repository}:${tag}`]))
  switch (reason) {
    case 'source not found':
      return new ArmError('ImportSourceNotFound', `The source image ${image} could not be found.`)
    case 'source refused':
      return new ArmError('ImportSourceNotFound', `The source registry refused access to ${image}.`)
    case 'target exists':
      // Never recorded; code and text are those of people's reports.
      return new ArmError('ImportTargetExists', `Tag ${targets.join(', ')} already exists in target registry.`)
  }
}

function readRequest(context: ArmContext, body: Json): ImportRequest {
  const source = required(optionalObject(body, 'source'), 'source')
  const image = required(optionalString(source, 'sourceImage'), 'source.sourceImage')
  const [, repository = '', tag, digest] = /^([^:@]+)(?::([^@]+))?(?:@(.+))?$/.exec(image) ?? []
  if (repository === '') throw invalidProperty('source.sourceImage', 'must be repository:tag or repository@digest')
  const credentials = optionalObject(source, 'credentials')
  const username = credentials === undefined ? undefined : optionalString(credentials, 'username')
  const password = credentials === undefined ? undefined : optionalString(credentials, 'password')
  const resourceId = optionalString(source, 'resourceId')
  return {
    registryUri: resourceId === undefined ? readUri(source) : ownRegistry(context, resourceId),
    repository,
    reference: digest ?? tag ?? 'latest',
    ...(password === undefined ? {} : { credentials: { password, ...(username === undefined ? {} : { username }) } }),
    trusted: resourceId !== undefined,
    targets: readTargets(body, repository, tag),
    force: (optionalString(body, 'mode') ?? 'NoForce').toLowerCase() === 'force'
  }
}

function readUri(source: Json): string {
  return required(optionalString(source, 'registryUri'), 'source.registryUri').toLowerCase()
}

function ownRegistry(context: ArmContext, resourceId: string): string {
  const registry = [...context.registries.values()].find(
    (each) => registryId(context, each).toLowerCase() === resourceId.toLowerCase()
  )
  if (registry === undefined)
    throw new ArmError('ImportSourceNotFound', `The source registry ${resourceId} could not be found.`)
  return loginServerOf(registry)
}

/** Without any target the image keeps its own name. */
function readTargets(body: Json, repository: string, tag: string | undefined): ImportRequest['targets'] {
  const tagged = optionalStrings(body, 'targetTags') ?? []
  const untagged = optionalStrings(body, 'untaggedTargetRepositories') ?? []
  const targets = [
    ...tagged.map((target) => {
      const [, name = '', targetTag = 'latest'] = /^([^:@]+)(?::(.+))?$/.exec(target) ?? []
      if (name === '') throw invalidProperty('targetTags', `has an entry that is no repository:tag: ${target}`)
      return { repository: name, tag: targetTag }
    }),
    ...untagged.map((target) => ({ repository: target }))
  ]
  return targets.length > 0 ? targets : [{ repository, ...(tag === undefined ? {} : { tag }) }]
}
