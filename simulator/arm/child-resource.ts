import { registryId, type ArmContext, type Call, type Reply, type ResourceKind } from './context.ts'
import { ArmError, notFound } from './errors.ts'
import type { Resource } from './state.ts'

/** What one kind of a registry's child resources does beyond the verbs that all kinds share. */
export interface ChildResource<R extends Resource> {
  readonly kind: ResourceKind
  readonly all: ReadonlyMap<string, R>
  render(resource: R): unknown
  /** What a list shows of it, where that is something else. */
  renderListed?(resource: R): unknown
  put(name: string, existing: R | undefined): Reply
  patch(existing: R): Reply
  remove(existing: R | undefined): Reply
}

/** `…/{kind}` and `…/{kind}/{name}`: lists in the order of creation, without a nextLink key where they are one page, names without regard to case. */
export function serveChild<R extends Resource>(
  context: ArmContext,
  call: Call,
  name: string | undefined,
  child: ChildResource<R>
): Reply {
  const { kind, all } = child
  if (name === undefined) {
    if (call.method !== 'GET') throw methodNotAllowed(call.method)
    return { status: 200, kind, body: list(context, call, child) }
  }
  const existing = all.get(name.toLowerCase())
  switch (call.method) {
    case 'GET':
      if (existing === undefined) throw notFound(name)
      context.operations.step(existing)
      return { status: 200, kind, body: child.render(existing) }
    case 'PUT':
      return child.put(name, existing)
    case 'PATCH':
      if (existing === undefined) throw notFound(name)
      return child.patch(existing)
    case 'DELETE':
      return child.remove(existing)
    default:
      throw methodNotAllowed(call.method)
  }
}

function list<R extends Resource>(context: ArmContext, call: Call, { kind, all, ...child }: ChildResource<R>): unknown {
  const { listPage } = context.knobs
  const skip = call.query.get('$skiptoken') ?? '0'
  if (!/^\d{1,9}$/.test(skip)) throw new ArmError('InvalidRequestContent', `The skip token '${skip}' is not valid.`)
  const from = Number(skip)
  const value = [...all.values()].slice(from, from + listPage).map((each) => (child.renderListed ?? child.render)(each))
  if (from + listPage >= all.size) return { value }
  const rest = new URLSearchParams({ 'api-version': call.apiVersion, $skiptoken: String(from + listPage) })
  const at = `https://${context.names.resourceManager}${registryId(context, call.registry)}/${kind}`
  return { value, nextLink: `${at}?${rest.toString()}` }
}

export function methodNotAllowed(method: string): ArmError {
  return new ArmError('MethodNotAllowed', `${method} is not supported here.`)
}
