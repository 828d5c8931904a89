/**
 * Texts that somebody still has to fill in. Three kinds are about (deployment-manifests.md §1.7 and the published examples):
 * `${NAME}` and `$NAME` of templates, `<NAME>` in documentation, and our own references to passwords.
 */
const braces = /\$\{[^}]*\}|\{\{[^}]*\}\}|\$\([A-Za-z_][^)]*\)/
const bare = /\$(?!upstream\b)(?:[A-Za-z_]\w*)/i
/** `< NAME >` too, as the portal has it; not `< a AND b >` of a condition. */
const angle = /<[A-Za-z][\w .-]*>|<\s+[A-Z][A-Z0-9_-]*\s*>/
const reference = /^\$\{(?:secret|hash):[^}]*\}$/

/** What a value of a template still holds, `$upstream` and the runtime's own `$IOTEDGE_…` apart. */
export function templateHole(text: string): string | undefined {
  return braces.exec(text)?.[0] ?? bareHole(text)
}

/** What a route of a template still holds: bare names in capitals only, since `$body` and `$connectionDeviceId` are the route's own. */
export function routeHole(text: string): string | undefined {
  return braces.exec(text)?.[0] ?? /\$[A-Z_][A-Z0-9_]*\b/.exec(text)?.[0]
}

/** Marks of other tools: `#{NAME}#`, `{{ NAME }}`, `$(NAME)`, and `__NAME__` as a part of its own. */
const mark = /#\{\s*[\w.-]+\s*\}#|\{\{\s*[\w.-]+\s*\}\}|\$\([\w.-]+\)|(?<![^/:])__[A-Za-z]\w*?__(?![^/:@.-])/

/** What an image still holds that another tool was to fill in; in other texts such marks may be meant as they stand. */
export function markIn(image: string): string | undefined {
  return mark.exec(image)?.[0]
}

/**
 * What a finished deployment still holds. A bare `$NAME` may be meant as it stands in an environment variable
 * (`$IOTEDGE_PARENTHOSTNAME`) or a route (`$body`), and is a variable that nobody set in images and credentials.
 */
export function leftover(text: string, path: string): string | undefined {
  const found = /\$\{[^}]*\}/.exec(text)?.[0]
  if (found !== undefined) return found
  if (path.endsWith('.image')) return bareHole(text) ?? markIn(text)
  if (!/\.registryCredentials\./.test(path)) return undefined
  // Only one that is all there is: what a password has inside of it is not to be shown.
  const whole = markIn(text)
  return bareHole(text) ?? (whole === text.trim() ? whole : undefined)
}

/** `${secret:token/password1}`, which `generate --without-secrets` leaves on purpose. */
export function isReference(hole: string): boolean {
  return reference.test(hole)
}

/** `<NAME>`, as documentation writes what the reader has to fill in. */
export function angleHole(text: string): string | undefined {
  return angle.exec(text)?.[0]
}

/** The text with its holes filled, in the ways that matter to a grammar: as a word, and as a number. */
export function filled(text: string, holes: readonly RegExp[]): readonly string[] {
  const fill = (value: string): string => holes.reduce((sofar, hole) => sofar.replaceAll(hole, value), text)
  return [...new Set([fill('x'), fill('1')])]
}

export const documentHoles: readonly RegExp[] = [everywhere(angle)]
export const templateHoles: readonly RegExp[] = [everywhere(braces), everywhere(bare), ...documentHoles]

function bareHole(text: string): string | undefined {
  const found = bare.exec(text)?.[0]
  return found?.toUpperCase().startsWith('$IOTEDGE_') === true ? undefined : found
}

function everywhere(pattern: RegExp): RegExp {
  return new RegExp(pattern.source, `${pattern.flags}g`)
}
