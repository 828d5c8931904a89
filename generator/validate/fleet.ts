import type { Site } from '../site-file/site.ts'
import { assertValid } from './assert.ts'

/** What stands in a device's manifest and in no other: names, and passwords of its own. */
export interface OwnTexts {
  readonly names: readonly string[]
  readonly passwords: readonly string[]
}

/** Manifests that are alike are remembered up to this many kinds; one more is looked at whole each time. */
const mostKinds = 256

/** Names of devices, registries and tokens. No rule knows a word with letters and digits in it, as they know `latest` and `1.1.0`. */
const plainName = /^(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9._-]{5,}$/
/** As ACR makes them: nothing that JSON escapes, or that a rule looks for. */
const plainPassword = /^[A-Za-z0-9+/=_-]{8,}$/

/**
 * Validates the manifests of a fleet, each text as it is written. Those of many devices are the same but for the device's own
 * names and password: where a text with these taken out is one that was looked at before, and each name has letters, digits and
 * signs where that one's had them, no rule can tell the two apart, and the verdict is the same. Any other text is looked at
 * whole.
 */
export class FleetValidator {
  readonly #site: Site
  readonly #alike = new Set<string>()

  constructor(site: Site) {
    this.#site = site
  }

  /**
   * @param file what findings call it
   * @returns warnings, one line each, where it is the first of its kind
   * @throws {GeneratorError} `VALIDATION_FAILED`
   */
  assertValid(text: string, file: string, own: OwnTexts): readonly string[] {
    // A finding or two depend on whether the file is one for debugging.
    const kind = `${String(/debug/i.test(file))}${withoutOwn(text, own)}`
    if (this.#alike.has(kind)) return []
    const warnings = assertValid(text, file, this.#site)
    if (this.#alike.size < mostKinds) this.#alike.add(kind)
    return warnings
  }
}

/** The text with marks in place of the device's own, which no JSON text holds. */
function withoutOwn(text: string, { names, passwords }: OwnTexts): string {
  let left = text
  for (const password of passwords.filter((each) => plainPassword.test(each)))
    for (const before of ['"password": "', 'SyncTokenPassword='])
      left = left.replaceAll(`${before}${password}`, `${before}\u0001${password.length}\u0001`)
  const marks = new Map(
    [...new Set(names)]
      .filter((name) => plainName.test(name))
      .map((name, index) => [name, `\u0001${index}${shapeOf(name)}\u0001`])
  )
  if (marks.size === 0) return left
  // The longest first: a token's name begins with its registry's.
  const longest = [...marks.keys()].sort((a, b) => b.length - a.length).map((name) => name.replaceAll('.', '\\.'))
  return left.replace(new RegExp(longest.join('|'), 'g'), (name) => marks.get(name) ?? name)
}

function shapeOf(name: string): string {
  return name.replace(/[a-z]/g, 'a').replace(/[A-Z]/g, 'A').replace(/\d/g, '0')
}
