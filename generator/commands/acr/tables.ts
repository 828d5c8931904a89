import { isArray, isObject, type Json, type JsonObject } from './json.ts'
import type { Row } from './output.ts'

/** The tables that az has for these commands, column by column. */

export function registryTable(result: Json): readonly Row[] {
  return objects(result).map((item) => ({
    NAME: text(item, 'name'),
    'RESOURCE GROUP': text(item, 'resourceGroup'),
    LOCATION: text(item, 'location'),
    SKU: text(item, 'sku', 'name'),
    'LOGIN SERVER': text(item, 'loginServer'),
    'CREATION DATE': date(text(item, 'creationDate')),
    'ADMIN ENABLED': text(item, 'adminUserEnabled')
  }))
}

/** Longer descriptions are cut. */
const longestDescription = 57

export function scopeMapTable(result: Json): readonly Row[] {
  return objects(result).map((item) => {
    const description = text(item, 'description')
    return {
      NAME: text(item, 'name'),
      TYPE: text(item, 'scopeMapType'),
      'CREATION DATE': date(text(item, 'creationDate')),
      DESCRIPTION:
        description.length > longestDescription ? `${description.slice(0, longestDescription)}...` : description
    }
  })
}

export function tokenTable(result: Json): readonly Row[] {
  return objects(result).map((item) => {
    const expiries = new Map(
      objects(member(item, 'credentials', 'passwords')).map((password) => [text(password, 'name'), expiry(password)])
    )
    const status = text(item, 'status')
    return {
      NAME: text(item, 'name'),
      'SCOPE MAP': leaf(text(item, 'scopeMapId')),
      'PASSWORD1 EXPIRY': expiries.get('password1') ?? '',
      'PASSWORD2 EXPIRY': expiries.get('password2') ?? '',
      STATUS: `${status.slice(0, 1).toUpperCase()}${status.slice(1).toLowerCase()}`,
      'PROVISIONING STATE': text(item, 'provisioningState'),
      'CREATION DATE': date(text(item, 'creationDate'))
    }
  })
}

export function credentialsTable(result: Json): readonly Row[] {
  return objects(result).map((item) => {
    const passwords = objects(member(item, 'passwords')).flatMap((password) => {
      const name = text(password, 'name').toUpperCase()
      return [
        [name, text(password, 'value')],
        [`${name} EXPIRY`, expiry(password)]
      ]
    })
    return { USERNAME: text(item, 'username'), ...(Object.fromEntries(passwords) as Row) }
  })
}

export function connectedRegistryTable(result: Json): readonly Row[] {
  return objects(result).map((item) => ({
    ...connectedRegistryRow(item),
    'SYNC SCHEDULE': text(item, 'parent', 'syncProperties', 'schedule'),
    'SYNC WINDOW': text(item, 'parent', 'syncProperties', 'syncWindow')
  }))
}

/** Parents before their children, each family together. */
export function connectedRegistryListTable(result: Json): readonly Row[] {
  const all = objects(result)
  const idOf = (item: JsonObject): string => text(item, 'id').toLowerCase()
  const parentOf = (item: JsonObject): string => text(item, 'parent', 'id').toLowerCase()
  const ids = new Set(all.map(idOf))
  const family = (item: JsonObject): readonly JsonObject[] => [
    item,
    ...all.filter((other) => parentOf(other) === idOf(item)).flatMap(family)
  ]
  return all
    .filter((item) => !ids.has(parentOf(item)))
    .flatMap(family)
    .map(connectedRegistryRow)
}

function connectedRegistryRow(item: JsonObject): Row {
  return {
    NAME: text(item, 'name'),
    MODE: text(item, 'mode'),
    'CONNECTION STATE': text(item, 'connectionState'),
    PARENT: leaf(text(item, 'parent', 'id')),
    'LOGIN SERVER': text(item, 'loginServer', 'host'),
    'LAST SYNC (UTC)': text(item, 'parent', 'syncProperties', 'lastSyncTime')
  }
}

function objects(value: Json | undefined): readonly JsonObject[] {
  if (isArray(value)) return value.filter(isObject)
  return isObject(value) ? [value] : []
}

function member(item: Json | undefined, ...path: readonly string[]): Json | undefined {
  return path.reduce<Json | undefined>((at, name) => (isObject(at) ? at[name] : undefined), item)
}

/** What is false or absent leaves its cell empty, as in az. */
function text(item: JsonObject, ...path: readonly string[]): string {
  const value = member(item, ...path)
  if (value === true) return 'True'
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

function expiry(password: JsonObject): string {
  const value = text(password, 'expiry')
  return value === '' ? 'Never' : date(value)
}

function date(value: string): string {
  return value.replace(/(?:\.\d+)?\+00:00$/, 'Z')
}

function leaf(id: string): string {
  return id.slice(id.lastIndexOf('/') + 1)
}
