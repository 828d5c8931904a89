import type { ArmContext, Call, Reply, ResourceKind } from './context.ts'
import { ArmError, notFound } from './errors.ts'
import type { Resource } from './state.ts'

/** What one kind of a registry's child resources does beyond the verbs that all kinds share. */
export interface ChildResource<R extends Resource> {
  readonly kind: ResourceKind
  readonly all: ReadonlyMap<string, R>
  render(resource: R): unknown
  put(name: string, existing: R | undefined): Reply
  patch(existing: R): Reply
  remove(existing: R | undefined): Reply
}

/** `…/{kind}` and `…/{kind}/{name}`: lists in the order of creation and without a nextLink key, names without regard to case. */
export function serveChild<R extends Resource>(
  context: ArmContext,
  call: Call,
  name: string | undefined,
  child: ChildResource<R>
): Reply {
  const { kind, all } = child
  if (name === undefined) {
    if (call.method !== 'GET') throw methodNotAllowed(call.method)
    return { status: 200, kind, body: { value: [...all.values()].map((each) => child.render(each)) } }
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

export function methodNotAllowed(method: string): ArmError {
  return new ArmError('MethodNotAllowed', `${method} is not supported here.`)
}
