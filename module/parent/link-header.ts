/** A link from a `Link` header. */
export interface Link {
  /** As it stands there: to be resolved against the address that gave it. */
  readonly target: string
  /** Lower case. */
  readonly relations: readonly string[]
}

// One registry is known to leave the brackets out (registry.md §6.2).
const reference = /[\s,]*(?:<([^>]*)>|([^\s<>;,"]+))\s*/y
// A name, and mostly a value; quoted ones hold commas, semicolons and escaped quotes.
const parameter = /;\s*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?\s*)?/y
const end = /[\s,]*$/y

/**
 * Reads the links of one header, or of several.
 *
 * @param header as received; undefined where there was none
 * @returns undefined where a part of it cannot be read: what stands there may be the link that is looked for
 * @see https://www.rfc-editor.org/rfc/rfc8288#section-3
 */
export function parseLinks(header: string | readonly string[] | undefined): Link[] | undefined {
  const links: Link[] = []
  for (const text of typeof header === 'string' ? [header] : (header ?? [])) {
    let at = 0
    const read = (form: RegExp): RegExpExecArray | null => {
      form.lastIndex = at
      const found = form.exec(text)
      if (found !== null) at = form.lastIndex
      return found
    }
    while (read(end) === null) {
      const [, bracketed, bare] = read(reference) ?? []
      const target = bracketed ?? bare
      if (target === undefined) return undefined
      let relation: string | undefined
      for (let found = read(parameter); found !== null; found = read(parameter)) {
        const [, name, quoted, token] = found
        // The first counts (§3.3).
        if (name?.toLowerCase() === 'rel') relation ??= quoted?.replace(/\\(.)/g, '$1') ?? token ?? ''
      }
      if (at < text.length && text[at] !== ',') return undefined
      links.push({ target: target.trim(), relations: relation?.toLowerCase().match(/\S+/g) ?? [] })
    }
  }
  return links
}
