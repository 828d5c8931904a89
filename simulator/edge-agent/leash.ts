import { Socket } from 'node:net'

/*
 * Preloaded into every module process by `--import`. The simulator holds the other end of file descriptor 3 and never
 * writes: when the pipe closes the simulator is gone, however it went, and a pretend container must not outlive its
 * pretend device.
 */
new Socket({ fd: 3, readable: true, writable: false })
  .on('error', () => process.kill(process.pid, 'SIGKILL'))
  .on('close', () => process.kill(process.pid, 'SIGKILL'))
  .resume()
  .unref()
