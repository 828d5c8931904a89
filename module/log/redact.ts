const hidden = '[hidden]'
/** Shorter ones stand in ordinary words, and hiding those would hide what is asked for. */
const shortestSecret = 6

/** What credentials look like wherever they stand; the part before the secret stays. */
const patterns: readonly [RegExp, string][] = [
  // Authorization headers.
  [/\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}/gi, `$1 ${hidden}`],
  // JSON Web Tokens without their header's name.
  [/\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g, hidden],
  // Connection strings, signed URLs and query strings, forms, JSON.
  [
    /\b(\w*(?:password|secret|SharedAccessKey|AccountKey|access_token|refresh_token|api[_-]?key)"?\s*[=:]\s*"?)[^\s";&,}]+/gi,
    `$1${hidden}`
  ],
  [/([?&](?:sig|code|token|key)=|\bsig=)[^\s"&]+/gi, `$1${hidden}`],
  // User and password in a URL.
  [/(:\/\/)[^\s/@"]+@/g, `$1${hidden}@`]
]

/**
 * Hides what may be a secret. Nothing writes secrets into the log in the first place; what leaves the device by another way
 * than the engine's goes through here all the same.
 *
 * @param secrets that this module holds, to be hidden wherever they stand
 */
export function redact(text: string, secrets: readonly string[] = []): string {
  let shown = text
  for (const secret of secrets) if (secret.length >= shortestSecret) shown = shown.replaceAll(secret, hidden)
  for (const [pattern, replacement] of patterns) shown = shown.replace(pattern, replacement)
  return shown
}
