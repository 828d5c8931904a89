import type { ManifestKind, ValidationFinding } from './finding.ts'
import { Lines, memberOf, type JsonMember, type JsonNode } from './json.ts'
import { rules, type RuleCode, type Severity } from './rules.ts'

/** Collects findings of one document. */
export class Report {
  readonly findings: ValidationFinding[] = []
  readonly #lines: Lines

  constructor(text: string) {
    this.#lines = new Lines(text)
  }

  /** @param severity where this finding weighs less than its rule usually does */
  add(code: RuleCode, at: number, path: string, message: string, severity: Severity = rules[code].severity): void {
    this.findings.push({ code, severity, message: withoutLogins(message), ...this.#lines.placeOf(at), path })
  }
}

/** A name that was written as a URL may hold a user and a password, and findings stand in logs. */
function withoutLogins(message: string): string {
  return message.replace(/\/\/[^\s/"]+@/g, '//[hidden]@')
}

/** What every check needs to know about the document it looks at. */
export interface Surroundings {
  readonly report: Report
  readonly kind: ManifestKind
}

/** A value in its document: where findings about it go. */
export class Spot {
  readonly node: JsonNode
  readonly path: string
  readonly around: Surroundings

  constructor(node: JsonNode, path: string, around: Surroundings) {
    this.node = node
    this.path = path
    this.around = around
  }

  /** A member that is there; `null` counts as absent, as it does for IoT Hub, which deletes such keys. */
  get(name: string): Spot | undefined {
    const member = memberOf(this.node, name)
    return member === undefined || member.value.kind === 'null' ? undefined : this.#of(member)
  }

  /** Every member, the last of duplicates only, and without nulls. */
  members(): { readonly key: string; readonly keyAt: number; readonly spot: Spot }[] {
    if (this.node.kind !== 'object') return []
    const last = new Map(this.node.members.map((member) => [member.key, member]))
    const kept = [...last.values()].filter(({ value }) => value.kind !== 'null')
    return kept.map((member) => ({ key: member.key, keyAt: member.keyAt, spot: this.#of(member) }))
  }

  finding(code: RuleCode, message: string, severity?: Severity): void {
    this.around.report.add(code, this.node.at, this.path, message, severity)
  }

  /** A finding about a member that is not there: it stands where the object does. */
  missing(code: RuleCode, name: string, message: string): void {
    this.around.report.add(code, this.node.at, join(this.path, name), message)
  }

  #of(member: JsonMember): Spot {
    return new Spot(member.value, join(this.path, member.key), this.around)
  }
}

export function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}
