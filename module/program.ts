import { findObstacle } from './data-folder.ts'
import { LineLog } from './log/log.ts'
import { collectEarly } from './memory.ts'
import { startModule, type RunningModule } from './module.ts'
import { leaveRoot } from './run-as.ts'
import { secretsOf } from './secrets.ts'
import { readEnvironment } from './settings/environment.ts'
import { SettingsError } from './settings/errors.ts'
import { untilUsable } from './waiting-room.ts'

/** Milliseconds; container engines kill ten seconds after they asked. */
const stopsWithin = 8_000

const log = new LineLog()
// What nobody foresaw, promises that nobody waits for included: nothing is known of the module's state then. What was acknowledged
// is on the disk, and edgeAgent starts it anew, later and later where that does not help.
process.on('uncaughtException', (error) => {
  fail(error, 'the module cannot go on, and ends (logLevel Debug tells where): ')
  log.debug('where that was', { stack: error instanceof Error ? error.stack : undefined })
  process.exit()
})
const [command, ...words] = process.argv.slice(2)
if (command === undefined) await serve()
else if (command === 'doctor') await doctor()
// To serve all the same would be a second module on the data of the one that may be running.
else fail(new SettingsError('ARGUMENT_UNKNOWN', `there is no command ${command}: only doctor, or none, which serves`))

async function serve(): Promise<void> {
  const variables = process.env
  const leaving = new AbortController()
  let module: RunningModule | undefined
  // From the first moment on: a container's first process gets no signal that it does not ask for.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      leaving.abort()
      void stop(module, signal)
    })
  try {
    const environment = readEnvironment(variables)
    const { dataFolder } = environment
    log.secrets = secretsOf(environment)
    await leaveRoot(dataFolder, variables)
    await untilUsable({
      environment,
      variables,
      log,
      signal: leaving.signal,
      obstacle: () => findObstacle(dataFolder)
    })
    if (leaving.signal.aborted) return
    module = await startModule({ environment, variables, log })
    collectEarly()
    // A signal that came while it started found nothing to close.
    if (leaving.signal.aborted as boolean) await module.close()
  } catch (error) {
    fail(error)
    // Rooms that were made before the one that failed hold files and threads.
    process.exit()
  }
}

async function doctor(): Promise<void> {
  const { runDoctor } = await import('./doctor-command.ts')
  try {
    process.exitCode = await runDoctor(words, process.env, (text) => void process.stdout.write(text))
  } catch (error) {
    fail(error)
  }
}

async function stop(module: RunningModule | undefined, signal: string): Promise<void> {
  log.info('stopping', { signal })
  // Nothing acknowledged is lost by leaving the hard way.
  setTimeout(() => process.exit(1), stopsWithin).unref()
  await module?.close().catch((error: unknown) => fail(error))
  log.info('stopped')
}

/** What a start failed for, in one line: an engine restarts the module, and its log is what people look at. */
function fail(error: unknown, what = ''): void {
  const { code = 'UNEXPECTED', message } =
    error instanceof Error ? (error as Error & { code?: string }) : { message: String(error) }
  log.error(`${what}${message}${whatToDo(error)}`, { code })
  process.exitCode = 1
}

/** Node's own messages of an address that is taken, not this device's, or not for everybody say no more than that. */
function whatToDo(error: unknown): string {
  return error instanceof Error && (error as NodeJS.ErrnoException).syscall === 'listen'
    ? ': end the program that has that port, or set CAUSEWAY_LISTEN to another host:port'
    : ''
}
