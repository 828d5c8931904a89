import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { systemCode } from './errors.ts'
import type { HashReply, HashRequest } from './hash-protocol.ts'
import { Receivers, type Receiver } from './receivers.ts'

/*
 * Follows partial files as they are written and hashes what comes, from the page cache; it keeps a slow core's event loop
 * free for those who pull meanwhile. Where the system calls can be had, it takes the bytes from the socket itself: they are
 * then hashed while they are in the processor's cache, and neither Node's streams nor its garbage collector ever see them.
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
const slice = Buffer.allocUnsafeSlow(512 * 1024)
const jobs = new Map<number, Job>()
const receivers = new Receivers(slice)
let running = false

const port = parentPort
if (port === null) throw new Error('hash-worker.ts runs as a worker thread only')

port.on('message', (request: HashRequest) => {
  if (request.kind === 'forget') forget(request.id)
  else if (request.kind === 'stop') receivers.stop(request.id)
  else if (request.kind === 'receive') receive(request)
  else advance(request)
  if (!running) {
    running = true
    setImmediate(turn)
  }
})

function advance(request: Extract<HashRequest, { to: number }>): void {
  const finishing = request.kind === 'finish'
  try {
    const job = jobs.get(request.id) ?? begin(request)
    job.to = request.to
    job.finishing = finishing
  } catch (error) {
    if (finishing) fail(request.id, error as Error)
  }
}

function receive(request: Extract<HashRequest, { kind: 'receive' }>): void {
  const { id, order } = request
  try {
    const job = jobs.get(id) ?? begin(request)
    job.to = order.from
    const receiver: Receiver = {
      id,
      order,
      mayBegin: () => job.at >= order.from,
      took(bytes) {
        job.hash.update(bytes)
        job.at += bytes.length
        job.to = job.at
      },
      ended(error) {
        if (error === undefined) port?.postMessage({ id } satisfies HashReply)
        else reply(id, error)
      }
    }
    receivers.add(receiver)
  } catch (error) {
    fail(id, error as Error)
  }
}

function begin({ id, path, algorithm }: Extract<HashRequest, { path: string }>): Job {
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
      if (job.finishing || receivers.remove(job.id)) fail(job.id, error as Error)
      else forget(job.id)
    }
  }
  // While there is something to hash, sockets are looked at and not waited for.
  receivers.turn(!more)
  running = more || receivers.areWaiting
  if (running) setImmediate(turn)
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
  reply(id, error)
  forget(id)
}

function reply(id: number, error: Error): void {
  const code = systemCode(error)
  port?.postMessage({ id, error: error.message, ...(code === undefined ? {} : { code }) } satisfies HashReply)
}

function forget(id: number): void {
  const job = jobs.get(id)
  if (job === undefined) return
  jobs.delete(id)
  closeSync(job.file)
}
