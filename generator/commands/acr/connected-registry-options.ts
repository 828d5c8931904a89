import * as values from '../../acr/connected-registry-values.ts'
import { GeneratorError } from '../../errors.ts'
import type { Option } from './arguments.ts'
import * as shared from './options.ts'

/** What can be set of a connected registry when it is made and later. */
export const settings: readonly Option[] = [
  {
    names: ['--sync-schedule', '-s'],
    arity: 'one',
    help: 'when to sync: five cron fields, in UTC (default: "* * * * *", always)'
  },
  {
    names: ['--sync-window', '-w'],
    arity: 'one',
    help: 'for how long from then: PT1H to P7D; needed with a schedule that is not always'
  },
  {
    names: ['--sync-message-ttl'],
    arity: 'one',
    help: 'how long the cloud keeps messages: P1D to P90D (default: P2D)'
  },
  {
    names: ['--log-level'],
    arity: 'one',
    choices: values.logLevels,
    help: 'what the registry logs (default: Information)'
  },
  shared.threeState('--gc-enabled', 'whether it collects garbage'),
  { names: ['--gc-schedule'], arity: 'one', help: 'when it collects garbage: five cron fields, in UTC' },
  shared.threeState('--audit-logs-enabled', 'whether audit logs are synced; az deprecated this')
]

/** @throws {GeneratorError} `USAGE` */
export function checkSchedule(option: string, text: string): string {
  return checked(option, text, values.isSchedule, values.forms.schedule)
}

export function checkSyncWindow(text: string): string {
  return checked('--sync-window', text, values.isSyncWindow, values.forms.syncWindow)
}

export function checkMessageTtl(text: string): string {
  return checked('--sync-message-ttl', text, values.isMessageTtl, values.forms.messageTtl)
}

function checked(option: string, text: string, isGood: (text: string) => boolean, form: string): string {
  if (isGood(text)) return text
  throw new GeneratorError('USAGE', `${option} takes ${form}, and not ${JSON.stringify(text.slice(0, 100))}`)
}

export function checkNotifications(option: string, patterns: readonly string[]): readonly string[] {
  for (const pattern of patterns)
    if (!values.isNotification(pattern))
      throw new GeneratorError(
        'USAGE',
        `${option}: ${JSON.stringify(pattern.slice(0, 200))} is not ${values.forms.notification}`
      )
  return patterns
}
