import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** One core for the server and one for the client, where there are two. */
export const cores = { server: '0', client: '1' } as const

const canPin = spawnSync('taskset', ['-c', cores.client, 'true']).status === 0

/** Whether a program can be started at all. */
export function isInstalled(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined
}

/** Starts a program on one core (`undefined`: on all of them). */
export function start(
  command: string,
  words: readonly string[],
  core: string | undefined,
  variables: Readonly<Record<string, string>> = {}
): ChildProcess {
  const pinned = core !== undefined && canPin
  return spawn(pinned ? 'taskset' : command, pinned ? ['-c', core, command, ...words] : words, {
    env: { PATH: process.env['PATH'], ...variables },
    stdio: ['ignore', 'pipe', 'pipe']
  })
}

/** Runs a program on the client's core to its end. @throws {Error} with what it said, where it fails */
export async function output(command: string, words: readonly string[]): Promise<string> {
  const child = start(command, words, cores.client)
  let said = ''
  let wrong = ''
  child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (wrong += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${wrong || said}`)
  return said
}

/** Seconds of a core that a process has used, children that run included (nginx works in one). */
export function cpuSeconds(pid: number): number {
  return family(pid)
    .map((each) => {
      const fields = readFileSync(`/proc/${each}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ')
      // utime and stime, fields 14 and 15 of proc(5), in ticks of which Linux shows a hundred a second.
      return (Number(fields[11]) + Number(fields[12])) / 100
    })
    .reduce((sum, each) => sum + each, 0)
}

/** MiB that a process holds in memory, and its children. */
export function residentMebibytes(pid: number): number {
  return family(pid)
    .map((each) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${each}/status`, 'utf8'))?.[1] ?? 0) / 1024)
    .reduce((sum, each) => sum + each, 0)
}

function family(pid: number): number[] {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return (
          readFileSync(`/proc/${name}/stat`, 'utf8')
            .replace(/^.*\) /, '')
            .split(' ')[1] === String(pid)
        )
      } catch {
        return false
      }
    })
  return [pid, ...children.map(Number)]
}

/** For what takes no port 0: between this and its start nobody else is likely to be given the same one. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Waits until somebody listens. @throws {Error} after ten seconds */
export function listening(port: number): Promise<void> {
  return answers(`nobody listens on port ${port}`, (ready) => connect(port, '127.0.0.1', ready))
}

/** Waits until a port speaks TLS, whoever has signed for it. @throws {Error} after ten seconds */
export function speaksTls(port: number): Promise<void> {
  const options = { port, host: '127.0.0.1', rejectUnauthorized: false }
  return answers(`port ${port} does not speak TLS`, (ready) => connectTls(options, ready))
}

async function answers(otherwise: string, knock: (ready: () => void) => Socket): Promise<void> {
  for (const deadline = Date.now() + 10_000; ;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = knock(() => {
        resolve(true)
        socket.destroy()
      })
      socket.on('error', () => resolve(false)).on('close', () => resolve(false))
    })
    if (open) return
    if (Date.now() > deadline) throw new Error(otherwise)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'exit')
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await closed
  clearTimeout(late)
}
