import { skipped } from './checks.ts'
import type { Check, Verdict } from './doctor.ts'

/** What asking the parent came to. */
export interface ParentAnswer {
  readonly host: string
  /** Undefined where it answered and took the credentials. */
  readonly trouble?: { readonly code: string; readonly message: string }
  /** Seconds by which this clock is ahead of the parent's; undefined where it gave no date. */
  readonly skewSeconds?: number | undefined
}

/** Whose fault it is: who they are, or what may be done with that. */
const credentialCodes = new Set(['PARENT_UNAUTHORIZED', 'PARENT_DENIED'])
/** Seconds that tokens and signed links allow for. */
const tolerableSkew = 120

/**
 * Whether the parent answers over TLS that is trusted, takes the credentials, and has the same time: one question, three
 * things to know.
 *
 * @param ask undefined where no parent is set
 */
export function parentChecks(ask: ((signal: AbortSignal) => Promise<ParentAnswer>) | undefined): readonly Check[] {
  let asked: Promise<ParentAnswer> | undefined
  const check = (name: string, judge: (answer: ParentAnswer) => Verdict): Check => ({
    name,
    async look(signal) {
      if (ask === undefined) return skipped('no parent is set: give settings, or ACR_REGISTRY_CONNECTION_STRING')
      return judge(await (asked ??= ask(signal)))
    }
  })
  return [
    check('parent', ({ host, trouble }) =>
      trouble === undefined || credentialCodes.has(trouble.code)
        ? { outcome: 'ok', message: `${host} answers, and its certificate is trusted` }
        : { outcome: 'failed', message: trouble.message }
    ),
    check('credentials', ({ host, trouble }) => {
      if (trouble === undefined) return { outcome: 'ok', message: `${host} takes them` }
      return credentialCodes.has(trouble.code)
        ? { outcome: 'failed', message: trouble.message }
        : skipped('the parent does not answer')
    }),
    check('clock', ({ host, skewSeconds }) => {
      if (skewSeconds === undefined) return skipped('the parent tells no time')
      const seconds = Math.round(Math.abs(skewSeconds))
      const said = `${seconds} seconds ${skewSeconds < 0 ? 'behind' : 'ahead of'} ${host}`
      return seconds < tolerableSkew
        ? { outcome: 'ok', message: `within ${Math.max(seconds, 1)} seconds of ${host}` }
        : {
            outcome: 'failed',
            message: `${said}: set this device's clock (chrony, timedatectl), or tokens and certificates fail`
          }
    })
  ]
}
