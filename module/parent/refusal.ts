import { redactor } from '../log/redact.ts'
import { basicOf, type Credentials } from './credentials.ts'
import { discard, one, readAll, type Answer } from './exchange.ts'
import { ParentError } from './errors.ts'
import { isMarked, isWebPage, isRegistryError } from './registry-answer.ts'

/** What was asked of the parent, with what a scope map needs for it. */
const deeds = {
  read: ['read', 'content/read and metadata/read'],
  push: ['push', 'content/read, content/write and metadata/read'],
  delete: ['delete', 'content/delete and metadata/read']
} as const

/** Who asked. */
export interface Asker {
  /** Whose rights are in question; undefined where nobody was named. */
  readonly tokenName: string | undefined
  /** What the answer may repeat of what it was asked with, and nobody is to read. */
  readonly secrets: readonly string[]
}

/** Of somebody with these credentials, the ones in use first. */
export function askerWith(credentials: readonly Credentials[]): Asker {
  return {
    tokenName: credentials[0]?.tokenName,
    secrets: credentials.flatMap((each) => [each.password, basicOf(each)])
  }
}

/**
 * Turns an answer that is none of the wanted ones into an error, and frees its connection.
 *
 * @param subject what was asked for, such as `samples/web:1.0`
 */
export async function refusal(
  answer: Answer,
  subject: string,
  { tokenName, secrets }: Asker,
  deed: keyof typeof deeds = 'read'
): Promise<ParentError> {
  const { status, url } = answer
  const { said, isInForm } = await words(answer, secrets)
  const who = tokenName === undefined ? 'anonymous callers' : `token ${tokenName}`
  if (status === 401 || status === 403) {
    const [verb, actions] = deeds[deed]
    return new ParentError(
      'PARENT_DENIED',
      `${url.host} does not let ${who} ${verb} ${subject}${said}: its scope map needs ${actions} there, and the registry's network rules must let this device in`,
      { status }
    )
  }
  const isRegistrys = isInForm || isMarked(answer.headers)
  if (status === 404 && isRegistrys)
    return new ParentError('PARENT_NOT_FOUND', `${url.host} has no ${subject}${said}`, { status })
  if (status === 407)
    return new ParentError(
      'PARENT_UNREACHABLE',
      `the proxy on the way to ${url.host} asks for credentials (407); check user and password in the proxy's variable`,
      { status }
    )
  const retryAfterSeconds = retryAfter(one(answer.headers['retry-after']))
  const later = { status, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) }
  if (status === 429)
    return new ParentError('PARENT_THROTTLED', `${url.host} asks to be asked less often (429)${said}`, later)
  if (status === 507)
    return new ParentError('PARENT_FAILED', `${url.host} has no room for ${subject} (507)${said}`, later)
  if (status >= 500 || status === 408)
    return new ParentError('PARENT_FAILED', `${url.host} cannot answer for ${subject} now (${status})${said}`, later)
  if (deed !== 'read' && status >= 400 && (isRegistrys || (status !== 404 && status !== 400)))
    return new ParentError(
      'PARENT_REFUSED',
      `${url.host} refuses to ${deed} ${subject} (${status}${hint(status)})${said}`,
      {
        status
      }
    )
  return new ParentError(
    'PARENT_PROTOCOL',
    `${url.host} answers ${status} for ${subject}, as no registry does${said}: check the parent's endpoint, and what answers there in its place (a proxy, a captive portal)`,
    {
      status
    }
  )
}

function hint(status: number): string {
  if (status === 405) return ': it is ReadOnly, or does not know how'
  if (status === 409) return ': it is locked there, or being changed'
  if (status === 413) return ': too large for it, or for a proxy on the way'
  return ''
}

/**
 * What the parent says of itself in the registries' form, on one line and short; empty where it says nothing usable. It goes
 * into reported properties and onto the page: some answer with what they were asked, proof of identity and all.
 */
async function words(
  answer: Answer,
  secrets: readonly string[]
): Promise<{ readonly said: string; readonly isInForm: boolean }> {
  const nothing = { said: '', isInForm: false }
  if (isWebPage(answer.headers)) {
    await discard(answer)
    return nothing
  }
  try {
    // Not all that send JSON say so: go-containerregistry's registry leaves the type to be guessed.
    const body = JSON.parse((await readAll(answer, 64 * 1024)).toString()) as { errors?: { message?: unknown }[] }
    const message = body.errors?.[0]?.message
    const said =
      typeof message === 'string' && message !== '' ? `: "${clean(redactor(secrets)(message)).slice(0, 200)}"` : ''
    return { said, isInForm: isRegistryError(body) }
  } catch {
    return nothing
  }
}

function clean(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\u0000-\u001f\u007f]/g, '')
}

/** Seconds, or a date: RFC 9110 §10.2.3 allows both. */
function retryAfter(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d+$/.test(text.trim())) return Number(text)
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - Date.now()) / 1000))
}
