import { constants } from 'node:crypto'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import tls, { createSecureContext, createServer, type Server as TlsServer } from 'node:tls'

/** PEM. */
export interface ServerKeyPair {
  /** The server's certificate, then those between it and its authority. */
  readonly certificate: string
  readonly key: string
}

/** Whether and how a server speaks TLS; can be changed while it serves. */
export interface TlsSwitch {
  /**
   * For connections from now on; those that are open stay as they are.
   *
   * @param pair undefined for plain HTTP alone
   * @throws where the key is not the certificate's, or one of the two is none
   */
  use(pair: ServerKeyPair | undefined): void
  /** Ends connections that have not got as far as HTTP: `closeAllConnections` does not know them. */
  close(): void
}

/** Milliseconds for a client's first byte, and again for its handshake. */
const patience = 10_000
/** The first byte of every TLS connection (RFC 8446, section 5.1: a handshake record); no HTTP method begins with it. */
const handshake = 0x16
const fastest = 'TLS_AES_128_GCM_SHA256'
/**
 * AES-128 comes first, as in Go's servers: a layer costs a tenth less CPU than with AES-256, which Node puts first. A client
 * that puts ChaCha20 first has no AES in its processor (32-bit ARM), and gets that.
 */
const protocol = () =>
  ({
    minVersion: 'TLSv1.2',
    ciphers: [fastest, ...tls.DEFAULT_CIPHERS.split(':').filter((each) => each !== fastest)].join(':'),
    secureOptions: constants.SSL_OP_CIPHER_SERVER_PREFERENCE | constants.SSL_OP_PRIORITIZE_CHACHA
  }) as const

/**
 * Lets an HTTP server answer TLS on its own port too. Plain HTTP stays: the API proxy on the module network and health
 * checks on loopback speak it whatever the settings say; what may not be sent over it is decided with each request.
 *
 * @param server without listeners of its own on `connection`
 */
export function switchTls(server: Server): TlsSwitch {
  const listeners = server.listeners('connection')
  const serve = (socket: Socket): void => {
    for (const listener of listeners) listener.call(server, socket)
  }
  /** Connections of which nobody knows yet what they speak, or whose handshake is not done. */
  const pending = new Map<string, Socket>()
  let encrypting = false
  let made: TlsServer | undefined
  /** Made with the first certificate: a start without one has no use for OpenSSL's lists of ciphers and authorities. */
  const secure = (): TlsServer => {
    if (made !== undefined) return made
    // HTTP/2 would carry a whole pull in one connection's window, and no client of a registry needs it.
    made = createServer({ ...protocol(), ALPNProtocols: ['http/1.1'], handshakeTimeout: patience })
    made.on('secureConnection', (socket) => {
      pending.delete(nameOf(socket))
      serve(socket)
    })
    // A client that does not trust us, a scanner: nothing here can do anything about it.
    made.on('tlsClientError', (_error, socket) => socket.destroy())
    return made
  }

  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    if (encrypting) distinguish(socket)
    else serve(socket)
  })

  function distinguish(socket: Socket): void {
    const name = nameOf(socket)
    pending.set(name, socket)
    const destroy = (): void => void socket.destroy()
    const late = setTimeout(destroy, patience).unref()
    socket.on('error', destroy)
    socket.once('close', () => {
      clearTimeout(late)
      pending.delete(name)
    })
    socket.once('readable', () => {
      clearTimeout(late)
      const first = socket.read() as Buffer | null
      if (first === null) {
        destroy()
        return
      }
      socket.unshift(first)
      if (first[0] === handshake) secure().emit('connection', socket)
      else {
        pending.delete(name)
        serve(socket)
      }
    })
  }

  return {
    use(pair) {
      if (pair !== undefined) {
        const context = { ...protocol(), cert: pair.certificate, key: pair.key }
        createSecureContext(context)
        secure().setSecureContext(context)
      }
      encrypting = pair !== undefined
    },
    close() {
      for (const socket of pending.values()) socket.destroy()
    }
  }
}

/** A connection has one name, whether its bytes are looked at or what they are when they are decrypted. */
function nameOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`
}
