#!/usr/bin/env node
import { run } from './program.ts'
import { azureServices } from './services.ts'

const stopping = new AbortController()
// The first Ctrl-C stops in good order, and says so; the second is the operating system's.
process.once('SIGINT', () => {
  stopping.abort()
})
process.once('SIGTERM', () => {
  stopping.abort()
})

// `causeway status | head` closes the pipe early, which is no mistake of anybody's.
for (const output of [process.stdout, process.stderr])
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode)
    throw error
  })

process.exitCode = await run(
  process.argv.slice(2),
  {
    stdout: process.stdout,
    stderr: process.stderr,
    // Opened only by commands that read it.
    get stdin() {
      return process.stdin
    },
    env: process.env,
    workingFolder: process.cwd(),
    signal: stopping.signal
  },
  azureServices
)

// Calls that were given up on may hold connections for minutes: nobody waits for those, only for what is still to be read.
for (const output of [process.stdout, process.stderr])
  await new Promise<void>((resolve) => {
    output.write('', () => {
      resolve()
    })
  })
process.exit()
