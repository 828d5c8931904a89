import { stat } from 'node:fs/promises'
import type { Digest } from '../oci/digest.ts'
import type { Repository } from '../oci/name.ts'
import { systemCode } from './errors.ts'
import type { CleaningParts } from './garbage-collection.ts'
import type { RepositoryView } from './repository-model.ts'
import { reach, readNamed, type Named } from './marking.ts'
import { expiredTags } from './retention.ts'
import type { CollectionOptions, IndexChange } from './storage.ts'

export interface UntanglingRules {
  readonly graceMs: number
  /** Milliseconds for which a manifest stays that no tag, index or subject leads to. */
  readonly untaggedMs: (repository: Repository) => number
  readonly retention: NonNullable<CollectionOptions['retention']>
  /** What anybody relies on from this moment on stays; on the leases' clock. */
  readonly since: number
  /** What images on their way consist of. */
  readonly kept: ReadonlySet<Digest>
  readonly signal: AbortSignal | undefined
}

/** When a manifest was first found without anything that leads to it: `repository@digest` to milliseconds since 1970. */
type FirstSeen = Readonly<Record<string, number>>

const stateKey = 'garbage.untagged'
/** One transaction's worth: those who push meanwhile wait for no more. */
const batchLength = 200
/** A repository that is pushed to without pause is left for the next run. */
const mostTries = 3
/** Manifests that are remembered at a time; a rest is met again by the next run. */
const mostRemembered = 5000

/**
 * Takes out of the index what it holds without a reason: manifests to which nothing leads, links of blobs that no manifest
 * of the repository names, and repositories in which nothing is left.
 */
export class Untangling {
  /** Bytes that some repository's manifests name, linked or not. */
  readonly needed = new Set<Digest>()
  readonly #parts: CleaningParts
  readonly #rules: UntanglingRules
  readonly #freed = { tags: 0, manifests: 0, links: 0, repositories: 0 }
  #before: FirstSeen = {}
  readonly #seen = new Map<string, number>()

  constructor(parts: CleaningParts, rules: UntanglingRules) {
    this.#parts = parts
    this.#rules = rules
  }

  async run(): Promise<{ tags: number; manifests: number; links: number; repositories: number }> {
    const { index } = this.#parts
    this.#before = ((await index.state(stateKey)) ?? {}) as FirstSeen
    for (const repository of await index.repositories()) {
      if (this.#rules.signal?.aborted === true) return this.#freed
      for (let tried = 1; tried <= mostTries; tried += 1) if (await this.#untangle(repository)) break
    }
    const seen = Object.fromEntries(this.#seen)
    if (JSON.stringify(seen) !== JSON.stringify(this.#before))
      await index.apply([{ kind: 'setState', key: stateKey, value: this.#seen.size === 0 ? undefined : seen }])
    return this.#freed
  }

  /** @returns false where the repository was given something new meanwhile, so that it must be looked at again */
  async #untangle(repository: Repository): Promise<boolean> {
    const { index, paths } = this.#parts
    const generation = index.generation(repository)
    await index.settled()
    const view = index.model.view(repository)
    if (view === undefined) return true
    const named = await readNamed(paths, view, this.#rules.signal)
    if (named === undefined) return true
    const young = await this.#youngLinks(view, named)
    const unchanged = (): boolean => index.generation(repository) === generation
    // From each of these looks to the call of `apply` nothing else can happen: who names something new comes before or after.
    await this.#retire(repository, view, named, unchanged)
    while (unchanged()) {
      const changes = this.#changes(repository, view, named, young).slice(0, batchLength)
      if (changes.length === 0) break
      for (const change of changes) {
        if (change.kind === 'removeManifest') this.#freed.manifests += 1
        if (change.kind === 'unlinkBlob') this.#freed.links += 1
      }
      await index.apply(changes)
    }
    for (const [digest, names] of named)
      if (view.manifests.has(digest)) for (const blob of names?.blobs ?? []) this.needed.add(blob)
    if (!unchanged()) return false
    if (isEmpty(view)) {
      this.#freed.repositories += 1
      await index.apply([{ kind: 'removeRepository', repository }])
    }
    return true
  }

  /** Takes away the tags that the repository's rule no longer keeps; what they led to is untagged from then on. */
  async #retire(
    repository: Repository,
    { tags }: RepositoryView,
    named: Named,
    unchanged: () => boolean
  ): Promise<void> {
    const { index, log } = this.#parts
    const rule = this.#rules.retention(repository)
    if (rule === undefined) return
    const times = await index.tagTimes(repository)
    const expired = expiredTags({ tags, times }, named, rule, Date.now())
    for (let at = 0; at < expired.length && unchanged(); at += batchLength) {
      const batch = expired.slice(at, at + batchLength)
      log?.info('tags removed: the retention rule no longer keeps them', { repository, tags: batch.join(' ') })
      this.#freed.tags += batch.length
      await index.apply(batch.map((tag): IndexChange => ({ kind: 'removeTag', repository, tag })))
    }
  }

  #changes(repository: Repository, view: RepositoryView, before: Named, young: ReadonlySet<Digest>): IndexChange[] {
    const { leases } = this.#parts
    const { since, graceMs, kept } = this.#rules
    // Those that an earlier batch has removed lead nowhere any more.
    const named = new Map([...before].filter(([digest]) => view.manifests.has(digest)))
    const fromTags = reach(named, view.tags.values())
    const untagged = [...named.keys()].filter((digest) => !fromTags.has(digest))
    const spared = untagged.filter(
      (digest) => kept.has(digest) || !this.#isPastIts(repository, digest) || !leases.isFree(digest, since, graceMs)
    )
    const stay = new Set([...fromTags, ...reach(named, spared)])
    const goes = untagged.filter((digest) => !stay.has(digest))
    for (const digest of goes) this.#seen.delete(`${repository}@${digest}`)
    const changes = goes.map((digest): IndexChange => ({ kind: 'removeManifest', repository, digest }))
    // What a manifest names that cannot be read is unknown: every link may be one of its blobs.
    if ([...stay].some((digest) => named.get(digest) === undefined)) return changes
    const blobs = new Set([...stay].flatMap((digest) => named.get(digest)?.blobs ?? []))
    for (const digest of view.links)
      if (!blobs.has(digest) && !kept.has(digest) && !young.has(digest) && leases.isFree(digest, since, graceMs))
        changes.push({ kind: 'unlinkBlob', repository, digest })
    return changes
  }

  /** Links that no manifest names so far, of bytes that came a short while ago: a push over a thin link takes its time. */
  async #youngLinks({ links }: RepositoryView, named: Named): Promise<Set<Digest>> {
    const { paths } = this.#parts
    const blobs = new Set([...named.values()].flatMap((names) => names?.blobs ?? []))
    const young = new Set<Digest>()
    for (const digest of [...links].filter((each) => !blobs.has(each)))
      try {
        if (isYoung((await stat(paths.blob(digest))).mtimeMs, this.#rules.graceMs)) young.add(digest)
      } catch (cause) {
        if (systemCode(cause) !== 'ENOENT') throw cause
      }
    return young
  }

  /** Whether nothing has led to it for as long as the repository's rule says; remembers when it was first found so. */
  #isPastIts(repository: Repository, digest: Digest): boolean {
    const key = `${repository}@${digest}`
    const now = Date.now()
    const first = Math.min(this.#before[key] ?? now, now)
    if (this.#seen.size < mostRemembered) this.#seen.set(key, first)
    return now - first >= this.#rules.untaggedMs(repository)
  }
}

/** Whether bytes came within the grace; a time that is far ahead was written by a clock that was wrong then. */
export function isYoung(mtimeMs: number, graceMs: number): boolean {
  const age = Date.now() - Math.floor(mtimeMs)
  return age < graceMs && age > -graceMs
}

function isEmpty({ links, manifests, tags }: RepositoryView): boolean {
  return links.size === 0 && manifests.size === 0 && tags.size === 0
}
