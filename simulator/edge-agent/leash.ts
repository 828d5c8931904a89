import { Socket } from 'node:net'
import { isMainThread } from 'node:worker_threads'

/*
 * Preloaded into every module process by `--import`. The simulator holds the other end of file descriptor 3 and never
 * writes: when the pipe closes the simulator is gone, however it went, and a pretend container must not outlive its
 * pretend device. Threads are given the same `--import`, and would close the descriptor for all when they end.
 */
if (isMainThread)
  new Socket({ fd: 3, readable: true, writable: false })
    .on('error', () => process.kill(process.pid, 'SIGKILL'))
    .on('close', () => process.kill(process.pid, 'SIGKILL'))
    .resume()
    .unref()
