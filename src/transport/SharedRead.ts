/**
 * Lets all plain sockets of one listener read into one buffer; what came is lent, or handed out as a copy of its own size.
 * Refuses a socket of a Node that is not made as expected: its bytes then come with `data` events, as ever.
 *
 * Without this, Node allocates 64 KiB for every read and shrinks them to what came, which costs as much as a small read
 * itself (docs/adr/0002-transports.md has the figures). Node has a remedy, the option `onread`, yet only for sockets that
 * one makes oneself: a server makes its sockets without it. So an accepted socket is given here what its constructor
 * would have given it. Everything undocumented that Longline relies on for this is in this file, and was read in
 * `lib/net.js` and `lib/internal/stream_base_commons.js` of Node 20.20.2 and 24.21.0, and seen to hold on both:
 *
 * - a socket keeps buffer and callback of `onread` in two properties of its own, whose keys are symbols, and looks at them
 *   for each read, in `pause` and in `resume`; without `onread` both are null. The keys are found by their values;
 * - `_handle.useUserBuffer(buffer)` makes the system read into that buffer from now on. The handle does not keep the
 *   buffer alive: the socket's property does, beyond the listener;
 * - no byte is read before the `connection` event has been handled, and `end`, `error` and `close` come as without it.
 */
import * as Net from "node:net"

/** Takes one chunk of the socket that is `this`. It may keep the chunk, and may destroy the socket. */
export type Receive = (this: Net.Socket, chunk: Uint8Array) => void

/** Looks at bytes of the socket that is `this` before they are copied, and says whether it took what it needs of them. */
export type Take = (this: Net.Socket, lent: Uint8Array) => boolean

/** The buffer of one listener. */
export interface SharedRead {
  /**
   * Reads this socket into the buffer from now on, and says whether that works here; if not, nothing has changed.
   * For a plain socket just accepted, within its `connection` event.
   */
  readonly attachUnsafe: (socket: Net.Socket) => boolean
}

/** Bytes of the buffer, and so the most of one read: what Node allocates for a read otherwise. */
export const sharedReadBytes = 65_536

/** A buffer for the sockets of one listener. What comes is lent to `take`, and unless taken copied for `receive`. */
export const make = (receive: Receive, take?: Take): SharedRead => {
  const buffer = Buffer.allocUnsafeSlow(sharedReadBytes)
  // What is read is often as long as what was read before.
  let lent: Uint8Array = buffer
  function onRead(this: Net.Socket, length: number): void {
    if (lent.length !== length) lent = buffer.subarray(0, length)
    if (take?.call(this, lent) === true) return
    const chunk = Buffer.allocUnsafe(length)
    chunk.set(lent)
    receive.call(this, chunk)
  }
  const keys = keysOf(buffer, onRead)
  return {
    attachUnsafe: (socket) => {
      const inside = socket as unknown as Inside
      const handle = inside._handle
      if (keys === undefined || typeof handle?.useUserBuffer !== "function") return false
      if (inside[keys.buffer] !== null || inside[keys.callback] !== null) return false
      inside[keys.buffer] = buffer
      inside[keys.callback] = onRead
      handle.useUserBuffer(buffer)
      return true
    },
  }
}

interface Inside {
  [key: symbol]: unknown
  readonly _handle?: { readonly useUserBuffer?: (buffer: Uint8Array) => unknown } | null
}

interface Keys {
  readonly buffer: symbol
  readonly callback: symbol
}

/** Where a socket keeps its `onread`, seen from one that was made with it. It was never opened, so there is nothing to close. */
const keysOf = (buffer: Uint8Array, onRead: (this: Net.Socket, length: number) => void): Keys | undefined => {
  const probe = new Net.Socket({
    onread: {
      buffer,
      callback: onRead as (length: number) => boolean,
    },
  })
  const inside = probe as unknown as Inside
  const keyOf = (value: unknown) => Object.getOwnPropertySymbols(probe).find((key) => inside[key] === value)
  const keys = { buffer: keyOf(buffer), callback: keyOf(onRead) }
  return keys.buffer === undefined || keys.callback === undefined
    ? undefined
    : { buffer: keys.buffer, callback: keys.callback }
}
