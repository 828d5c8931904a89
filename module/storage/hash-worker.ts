import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { systemCode } from './errors.ts'
import type { HashReply, HashRequest } from './hash-protocol.ts'

/*
 * Follows partial files as they are written and hashes what comes, from the page cache: of the ways measured, the fastest
 * on two cores, and it keeps a slow core's event loop free for those who pull meanwhile.
 */

interface Job {
  readonly id: number
  readonly hash: Hash
  readonly file: number
  /** Bytes hashed so far. */
  at: number
  /** Bytes that may be hashed. */
  to: number
  finishing: boolean
}

/** One slice of one job at a time, so that a large file taken up again does not hold up the small ones. */
const slice = Buffer.allocUnsafeSlow(1 << 20)
const jobs = new Map<number, Job>()
let running = false

const port = parentPort
if (port === null) throw new Error('hash-worker.ts runs as a worker thread only')

port.on('message', (request: HashRequest) => {
  if (request.kind === 'forget') forget(request.id)
  else advance(request)
  if (!running) {
    running = true
    setImmediate(turn)
  }
})

function advance(request: Exclude<HashRequest, { kind: 'forget' }>): void {
  const finishing = request.kind === 'finish'
  try {
    const job = jobs.get(request.id) ?? begin(request.id, request.path, request.algorithm)
    job.to = request.to
    job.finishing = finishing
  } catch (error) {
    if (finishing) fail(request.id, error as Error)
  }
}

function begin(id: number, path: string, algorithm: string): Job {
  const job = { id, hash: createHash(algorithm), file: openSync(path, 'r'), at: 0, to: 0, finishing: false }
  jobs.set(id, job)
  return job
}

function turn(): void {
  let more = false
  for (const job of jobs.values()) {
    try {
      if (!step(job)) more = true
    } catch (error) {
      // Without `finish` nobody waits for an answer; the job then starts anew when somebody does.
      if (job.finishing) fail(job.id, error as Error)
      else forget(job.id)
    }
  }
  running = more
  if (more) setImmediate(turn)
}

/** Hashes a slice of a job's file. @returns whether it has caught up with what is written */
function step(job: Job): boolean {
  const want = Math.min(slice.length, job.to - job.at)
  const got = want > 0 ? readSync(job.file, slice, 0, want, job.at) : 0
  if (want > 0 && got === 0) throw new Error(`the file ends at ${job.at} bytes, before its ${job.to}`)
  job.hash.update(slice.subarray(0, got))
  job.at += got
  if (job.at < job.to) return false
  if (job.finishing) {
    port?.postMessage({ id: job.id, hex: job.hash.digest('hex') } satisfies HashReply)
    forget(job.id)
  }
  return true
}

function fail(id: number, error: Error): void {
  const code = systemCode(error)
  port?.postMessage({ id, error: error.message, ...(code === undefined ? {} : { code }) } satisfies HashReply)
  forget(id)
}

function forget(id: number): void {
  const job = jobs.get(id)
  if (job === undefined) return
  jobs.delete(id)
  closeSync(job.file)
}
