import type { DatabaseSync } from 'node:sqlite'
import { areDigests } from '../oci/digest.ts'
import { areTags, isRepository } from '../oci/name.ts'
import type { IndexContents, RepositoryContents } from './index-protocol.ts'
import { DamagedIndex } from './index-schema.ts'

/**
 * Reads everything that an index holds, with a few rows for each repository: a start has to wait for it. Every name is looked
 * at, since a row that holds none means that the file is not to be trusted.
 *
 * @throws {DamagedIndex}
 */
export function readIndex(database: DatabaseSync): IndexContents {
  const repositories = database.prepare(everything).all().map(readRepository)
  const state = database
    .prepare('SELECT key, value FROM state')
    .all()
    .map(({ key, value }) => [String(key), validJson(String(value))] as const)
  return { repositories, state }
}

/** SQLite puts the lists together: a row for each tag and its digest takes ten times as long, and most of it is garbage. */
const everything = `
  SELECT name,
    (SELECT group_concat(digest, ' ') FROM links WHERE repository = id) AS links,
    (SELECT json_group_array(json_array(digest, media_type, size, subject, artifact_type)) FROM manifests
      WHERE repository = id HAVING count(*) > 0) AS manifests,
    (SELECT group_concat(digest, ' ') FROM manifests WHERE repository = id) AS described,
    (SELECT group_concat(subject, ' ') FROM manifests WHERE repository = id) AS subjects,
    (SELECT group_concat(name, ' ') FROM tags WHERE repository = id) AS tags,
    (SELECT group_concat(digest, ' ') FROM tags WHERE repository = id) AS tagged,
    (SELECT count(*) FROM tags WHERE repository = id AND instr(name, ' ') > 0) AS divided
  FROM repositories`

function readRepository(row: Readonly<Record<string, unknown>>): RepositoryContents {
  const { name, divided } = row
  const text = (column: string, check: (text: string) => boolean): string | undefined => {
    const value = row[column]
    if (value === null) return undefined
    if (typeof value === 'string' && check(value)) return value
    throw new DamagedIndex(`a row of ${column} holds what is none`)
  }
  if (typeof name !== 'string' || !isRepository(name) || divided !== 0)
    throw new DamagedIndex('a row holds what is no name')
  for (const column of ['described', 'subjects']) text(column, areDigests)
  return {
    name,
    links: text('links', areDigests),
    manifests: text('manifests', () => true),
    tags: text('tags', areTags),
    tagged: text('tagged', areDigests)
  }
}

function validJson(text: string): string {
  try {
    JSON.parse(text)
    return text
  } catch (cause) {
    throw new DamagedIndex('a row of state holds no JSON', { cause })
  }
}
