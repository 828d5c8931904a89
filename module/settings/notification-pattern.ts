import { isDigest } from '../oci/digest.ts'
import { isRepository, isTag } from '../oci/name.ts'

/** What happened to a manifest. */
export type NotifiedAction = 'push' | 'delete'

/** Something that happened, as far as a pattern looks at it. */
export interface Notifiable {
  readonly action: NotifiedAction
  readonly repository: string
  /** Absent where it happened to a manifest that no tag named. */
  readonly tag?: string | undefined
  readonly digest: string
}

/** Which events somebody wants to hear of. */
export interface NotificationPattern {
  /** A repository, all below one (`path/*`), or all (`*`). */
  readonly name: string
  /** A tag, or `*` for whatever has one; undefined where it does not matter. */
  readonly tag: string | undefined
  /** A digest or `*`; undefined where it does not matter. */
  readonly digest: string | undefined
  readonly action: NotifiedAction | '*'
}

/**
 * Reads Microsoft's grammar for a connected registry's notifications, `name[:tag][@digest]:action` with `*` for a whole part,
 * such as `hello-world:*:push`, `samples/*:*` or `*@*:delete` (facts: connected-registry §1).
 *
 * @returns the pattern, or undefined where the text is none
 */
export function parseNotificationPattern(text: string): NotificationPattern | undefined {
  // A digest has a colon of its own: the action stands behind the last one.
  const [, name = '', tag, digest, action] =
    /^([^:@]+)(?::([^:@]+))?(?:@(\*|[^@]+))?:(push|delete|\*)$/.exec(text) ?? []
  const repository = name.endsWith('/*') ? name.slice(0, -2) : name
  if (name !== '*' && !isRepository(repository)) return undefined
  if (tag !== undefined && tag !== '*' && !isTag(tag)) return undefined
  if (digest !== undefined && digest !== '*' && !isDigest(digest)) return undefined
  return { name, tag, digest, action: action as NotificationPattern['action'] }
}

/** Whether a pattern covers what happened. */
export function coversNotification(pattern: NotificationPattern, happened: Notifiable): boolean {
  const { name, tag, digest, action } = pattern
  if (action !== '*' && action !== happened.action) return false
  if (tag !== undefined && (happened.tag === undefined || (tag !== '*' && tag !== happened.tag))) return false
  if (digest !== undefined && digest !== '*' && digest !== happened.digest) return false
  return name === '*' || name === happened.repository || (name.endsWith('/*') && isBelow(happened.repository, name))
}

function isBelow(repository: string, name: string): boolean {
  return repository.startsWith(name.slice(0, -1))
}
