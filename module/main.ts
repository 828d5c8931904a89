import { LineLog } from './log/log.ts'
import { startModule, type RunningModule } from './module.ts'
import { readEnvironment } from './settings/environment.ts'

/** Milliseconds; container engines kill ten seconds after they asked. */
const stopsWithin = 8_000

const log = new LineLog()
if (process.argv[2] === 'doctor') await doctor()
else await serve()

async function serve(): Promise<void> {
  try {
    const module = await startModule({ environment: readEnvironment(process.env), variables: process.env, log })
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop(module, signal))
  } catch (error) {
    fail(error)
    // Rooms that were made before the one that failed hold files and threads.
    process.exit()
  }
}

async function doctor(): Promise<void> {
  const { runDoctor } = await import('./doctor-command.ts')
  try {
    const print = (text: string): void => void process.stdout.write(text)
    process.exitCode = await runDoctor(process.env, { json: process.argv.includes('--json'), print })
  } catch (error) {
    fail(error)
  }
}

async function stop(module: RunningModule, signal: string): Promise<void> {
  log.info('stopping', { signal })
  // Nothing acknowledged is lost by leaving the hard way.
  setTimeout(() => process.exit(1), stopsWithin).unref()
  await module.close().catch(fail)
  log.info('stopped')
}

/** What a start failed for, in one line: an engine restarts the module, and its log is what people look at. */
function fail(error: unknown): void {
  const { code = 'UNEXPECTED', message } =
    error instanceof Error ? (error as Error & { code?: string }) : { message: String(error) }
  log.error(message, { code })
  process.exitCode = 1
}
