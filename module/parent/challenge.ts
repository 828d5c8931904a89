/** One way of proving who asks, from a `WWW-Authenticate` header. */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
}

// A token, then either `=` and a value (a parameter) or anything else (a scheme). Values may be quoted, and a quoted scope
// holds commas (`pull,push`), which is where parsers that split at commas break.
const part = /\s*,?\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/y

/**
 * Reads the challenges of one header, or of several.
 *
 * @param header as received; undefined where there was none
 * @returns what could be understood, in order
 * @see https://www.rfc-editor.org/rfc/rfc9110#name-www-authenticate
 */
export function parseChallenges(header: string | readonly string[] | undefined): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = []
  for (const text of typeof header === 'string' ? [header] : (header ?? [])) {
    part.lastIndex = 0
    for (let found = part.exec(text); found !== null && found[0] !== ''; found = part.exec(text)) {
      const [, name = '', quoted, bare] = found
      const value = quoted?.replace(/\\(.)/g, '$1') ?? bare
      if (value === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: {} })
      else {
        const current = challenges.at(-1)
        if (current !== undefined) current.parameters[name.toLowerCase()] = value
      }
    }
  }
  return challenges
}
