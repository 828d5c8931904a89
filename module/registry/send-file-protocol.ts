/** To the sending thread. */
export type SendRequest =
  | {
      readonly kind: 'send'
      readonly id: number
      /** A descriptor of the socket for this transfer alone; who asks closes it after the reply. */
      readonly socket: number
      readonly file: number
      readonly start: number
      /** Bytes to send. */
      readonly length: number
      /** Its place in `moved`. */
      readonly slot: number
    }
  | { readonly kind: 'cancel'; readonly id: number }

/** From it: one for each transfer, after which it touches neither descriptor. */
export interface SendReply {
  readonly id: number
  /** Undefined where every byte went. */
  readonly failure?: { readonly code: string; readonly message: string }
}

export interface SendWorkerData {
  /** An event counter that is raised with every request: a thread that waits in `poll` hears no messages. */
  readonly wake: number
  /** Shared: counted up at a transfer's slot with every piece that went, since a reader that takes bytes is not idle. */
  readonly moved: Int32Array
}
