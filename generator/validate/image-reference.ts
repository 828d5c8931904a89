/**
 * The grammar by which container engines read images (distribution/reference, regexp.go); edgeAgent's own expression lets through
 * far more, and the engine then refuses the pull.
 */
const hostPart = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?'
const host = new RegExp(String.raw`^(?:${hostPart}(?:\.${hostPart})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$`)
const pathPart = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const tagForm = /^\w[\w.-]{0,127}$/
const digestForm = /^(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})$/

/**
 * @param name with its host in place of `$upstream`
 * @param open whether something of it was filled in: then its digest is not known
 * @returns why no engine pulls it; undefined where it can
 */
export function refusedByEngines(name: string, open: boolean): string | undefined {
  const [scheme] = /^[a-z][a-z0-9+.-]*:\/\//i.exec(name) ?? []
  if (scheme !== undefined) return `an image has no scheme: leave ${scheme} out`
  if (/\s/.test(name)) return 'an image has no blanks'
  const { domain, path, tag, digest } = split(name)
  if (domain !== undefined && !host.test(domain)) return `${domain} is no host`
  const wrong = path.split('/').find((part) => !pathPart.test(part))
  if (wrong !== undefined) {
    if (/[A-Z]/.test(wrong) && pathPart.test(wrong.toLowerCase()))
      return `a repository has no upper case: ${wrong.toLowerCase()} in place of ${wrong}`
    return `${wrong === '' ? 'nothing' : wrong} is no part of a repository's name: lower case, digits, and . _ - between them`
  }
  if (tag !== undefined && !tagForm.test(tag))
    return `${tag} is no tag: letters, digits, and _ . - behind the first of them, at most 128`
  if (digest !== undefined && !open && !digestForm.test(digest))
    return 'a digest is @sha256: and 64 hexadecimal digits in lower case'
  return undefined
}

interface Reference {
  readonly domain: string | undefined
  readonly path: string
  readonly tag: string | undefined
  readonly digest: string | undefined
}

function split(name: string): Reference {
  const slash = name.indexOf('/')
  const first = name.slice(0, Math.max(slash, 0))
  // Docker Hub's own repositories have no host; upper case makes one of a part that is else none.
  const hosted = /[.:A-Z]/.test(first) || first === 'localhost'
  const rest = hosted ? name.slice(slash + 1) : name
  const at = rest.indexOf('@')
  const plain = at < 0 ? rest : rest.slice(0, at)
  const colon = plain.indexOf(':')
  return {
    domain: hosted ? first : undefined,
    path: colon < 0 ? plain : plain.slice(0, colon),
    tag: colon < 0 ? undefined : plain.slice(colon + 1),
    digest: at < 0 ? undefined : rest.slice(at + 1)
  }
}
