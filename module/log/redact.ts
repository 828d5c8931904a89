const hidden = '[hidden]'
/** Shorter ones stand in ordinary words, and hiding those would hide what is asked for. */
const shortestSecret = 6

/** What credentials look like wherever they stand, also where JSON is quoted in JSON; the part before the secret stays. */
const patterns: readonly [RegExp, string][] = [
  // Authorization headers.
  [/\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}/gi, `$1 ${hidden}`],
  // JSON Web Tokens without their header's name.
  [/\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g, hidden],
  // Connection strings, signed URLs and query strings, forms, JSON.
  [
    /((?:password|secret|SharedAccessKey|AccountKey|access_token|refresh_token|api[_-]?key)\\*"?\s*[=:]\s*\\*"?)(?:(?!\\+")[^\s";&,}])+/gi,
    `$1${hidden}`
  ],
  [/([?&](?:sig|code|token|key)=|\bsig=)[^\s"&]+/gi, `$1${hidden}`],
  // User and password in a URL.
  [/(:\/\/)[^\s/@"]+@/g, `$1${hidden}@`]
]

/** Every one of the patterns has something of this. Most lines have nothing, and pay for one look. */
const suspicious =
  /bearer|basic|eyJ|password|secret|(?:access|account|api[_-]?)key|(?:access|refresh)_token|[?&](?:code|token|key)=|sig=|:\/\/[^\s/@"]+@/i

/**
 * Makes what hides secrets in a text. Nothing writes secrets into the log in the first place; but others' errors are told there,
 * and whoever asks for support sends it on.
 *
 * @param secrets that this module holds, to be hidden wherever they stand, also as JSON and as a part of a URL have them
 */
export function redactor(secrets: readonly string[] = []): (text: string) => string {
  const forms = secrets
    .filter(({ length }) => length >= shortestSecret)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret.toWellFormed())])
  const known = [...new Set(forms)].sort((one, other) => other.length - one.length)
  return (text) => {
    let shown = text
    for (const secret of known) if (shown.includes(secret)) shown = shown.replaceAll(secret, hidden)
    if (!suspicious.test(shown)) return shown
    for (const [pattern, replacement] of patterns) shown = shown.replace(pattern, replacement)
    return shown
  }
}
