/**
 * Makes a Wire of a connected Node socket: reads behind a pull, one write a batch, a reset that frees at once.
 * Opens no socket, and bounds no wait: deadlines are the caller's.
 *
 * The hot path is plain code over the socket. What every wire would otherwise pay for in closures is shared: the
 * handlers are a few functions that find their wire on the socket.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Net from "node:net"
import { ReadQueue } from "./ReadQueue.ts"
import * as SharedRead from "./SharedRead.ts"
import { type Address, type Bounds, lostWith, type TlsIdentity, type TransportError, type Wire } from "./Transport.ts"

const wireOf: unique symbol = Symbol("longline/NodeWire")

const noBytes = new Uint8Array(0)

type Owned = Net.Socket & { [wireOf]: NodeWire }

/** libuv's own counts, which Node reads for its timeouts and does not publish. Absent once the socket is closed. */
interface Handle {
  readonly bytesWritten?: number
  readonly writeQueueSize?: number
}

const plainOpened = Exit.succeed(undefined)

/** A wire over one Node socket. Its members are methods: call them on the wire, do not take them off it. */
export class NodeWire implements Wire {
  readonly peer: Address
  readonly arrived: ReadQueue

  /** The socket whose descriptor this wire owns. */
  protected readonly raw: Net.Socket
  /** The socket that carries the bytes: the raw one, or the TLS socket around it. */
  protected socket: Net.Socket
  /** Why the wire is lost, once it is. */
  protected lost: TransportError | undefined = undefined

  private readonly writeHighWaterBytes: number
  private released = false
  private releasing: Deferred.Deferred<void> | undefined = undefined
  private lostListener: ((error: TransportError) => void) | undefined = undefined
  private draining: Deferred.Deferred<void, TransportError> | undefined = undefined
  private onWritten: (() => void) | undefined = undefined
  /** Bytes written, in the system's own count: `written - taken()` is what the system has not taken yet. */
  private written = 0

  constructor(raw: Net.Socket, peer: Address, bounds: Bounds) {
    this.peer = peer
    this.raw = raw
    this.socket = raw
    this.arrived = new ReadQueue(raw, bounds.readBufferBytes)
    this.writeHighWaterBytes = bounds.writeHighWaterBytes
    own(raw, this)
    raw.on("error", onError)
    raw.on("close", onClose)
  }

  get opened(): Effect.Effect<TlsIdentity | undefined, TransportError> {
    return plainOpened
  }

  get pull(): Wire["pull"] {
    return this.arrived.pull
  }

  get closed(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.released ? Effect.void : Deferred.await((this.releasing ??= Deferred.makeUnsafe())),
    )
  }

  get drained(): Effect.Effect<void, TransportError> {
    return Effect.suspend(() => {
      if (this.lost !== undefined) return Effect.fail(this.lost)
      if (this.socket.writableLength === 0) return Effect.void
      return Deferred.await((this.draining ??= Deferred.makeUnsafe()))
    })
  }

  pausedUnsafe(): boolean {
    return this.arrived.paused
  }

  unreadUnsafe(): number {
    return this.arrived.queuedBytes
  }

  receivedUnsafe(): number {
    return this.arrived.received
  }

  writeUnsafe(chunks: NonEmptyReadonlyArray<Uint8Array>): boolean {
    if (this.lost !== undefined) return false
    const socket = this.socket
    if (socket.writableEnded) return true
    // Most writes are taken at once, and to be called back for each costs 0.5 µs (bench, fanout-gentle).
    // With TLS none is, and each has to be counted.
    const onWritten = socket === this.raw ? undefined : this.writtenListener()
    if (chunks.length === 1) {
      this.written += chunks[0].length
      socket.write(chunks[0], onWritten)
    } else {
      socket.cork()
      for (const chunk of chunks) {
        this.written += chunk.length
        socket.write(chunk, onWritten)
      }
      socket.uncork()
    }
    // An empty write is done when those before it are.
    if (onWritten === undefined && socket.writableLength > 0) socket.write(noBytes, this.writtenListener())
    // Not what `write` returns: that is computed before the system took what it could, so a large frame that left at
    // once would still cost its sender a wait.
    return socket.writableLength < this.writeHighWaterBytes
  }

  /**
   * Node's own count falls only when a whole write is done, and one write may be megabytes; libuv's shows every byte
   * taken. With TLS it counts ciphertext, so the figure is an estimate there, kept between one byte and Node's count.
   */
  unsentUnsafe(): number {
    const length = this.lost === undefined ? this.socket.writableLength : 0
    if (length === 0) return 0
    const taken = this.taken()
    return taken === undefined ? length : Math.max(1, Math.min(length, this.written - taken))
  }

  onLostUnsafe(listener: (error: TransportError) => void): void {
    if (this.lost === undefined) this.lostListener = listener
    else listener(this.lost)
  }

  endUnsafe(): void {
    if (this.lost === undefined && !this.socket.writableEnded) this.socket.end()
  }

  abortUnsafe(): void {
    this.arrived.clear()
    if (this.released) return
    if (this.lost === undefined) this.loseUnsafe(lostWith("ABORTED"))
    this.resetUnsafe()
  }

  protected resetUnsafe(): void {
    resetUnsafe(this.raw, this.socket)
  }

  /** Lets bytes flow from `socket`, which is the raw one or carries its bytes decrypted; the raw one by `shared` if it can. */
  flowUnsafe(socket: Net.Socket, shared?: SharedRead.SharedRead): void {
    this.socket = socket
    if (socket !== this.raw) {
      own(socket, this)
      this.arrived.feedFrom(socket)
      this.rebaseUnsafe()
      socket.on("error", onError)
    }
    socket.on("end", onEnd)
    if (shared?.attachUnsafe(socket) !== true) socket.on("data", onData)
  }

  /** Counts what the TLS socket added of its own as written. */
  protected rebaseUnsafe(): void {
    this.written = (this.taken() ?? 0) + this.socket.writableLength
  }

  /** Records the first loss and tells everybody who waits. */
  loseUnsafe(error: TransportError): void {
    if (this.lost !== undefined) return
    this.lost = error
    this.arrived.fail(error)
    if (this.draining !== undefined) Deferred.doneUnsafe(this.draining, Effect.fail(error))
    this.lostListener?.(error)
  }

  private writtenListener(): () => void {
    return (this.onWritten ??= () => this.noteWritten())
  }

  /** Runs after every write that was not taken at once: completes `drained` when nothing is left. */
  private noteWritten(): void {
    if (this.socket !== this.raw) this.rebaseUnsafe()
    if (this.draining === undefined || this.lost !== undefined || this.socket.writableLength > 0) return
    const draining = this.draining
    this.draining = undefined
    Deferred.doneUnsafe(draining, Effect.void)
  }

  private taken(): number | undefined {
    const handle = (this.raw as unknown as { readonly _handle?: Handle | null })._handle
    if (handle?.bytesWritten === undefined || handle.writeQueueSize === undefined) return undefined
    return handle.bytesWritten - handle.writeQueueSize
  }

  /** The socket's events, as the shared handlers pass them on. */
  receiveUnsafe(chunk: Uint8Array): void {
    this.arrived.push(chunk)
  }

  takeUnsafe(lent: Uint8Array): boolean {
    return this.arrived.lend(lent)
  }

  keepUnsafe(chunk: Uint8Array): void {
    this.arrived.keep(chunk)
  }

  finishUnsafe(): void {
    this.arrived.finish()
  }

  releaseUnsafe(): void {
    // Both directions ended: a goodbye. Anything else that closes a socket without an error is a loss all the same.
    const isGoodbye = this.arrived.ended && this.socket.writableFinished
    if (this.lost === undefined && !isGoodbye) this.loseUnsafe(lostWith("ECONNRESET"))
    this.released = true
    if (this.releasing !== undefined) Deferred.doneUnsafe(this.releasing, Effect.void)
  }
}

/**
 * Makes a wire of a connected plain socket (tcp or unix); bytes flow from the next turn of the event loop on.
 * `shared` is for a socket that was accepted just now.
 */
export const makeUnsafe = (
  socket: Net.Socket,
  peer: Address,
  bounds: Bounds,
  shared?: SharedRead.SharedRead,
): NodeWire => {
  const wire = new NodeWire(socket, peer, bounds)
  wire.flowUnsafe(socket, shared)
  return wire
}

/** The buffer that the plain wires of one listener read into. */
export const makeSharedRead = (): SharedRead.SharedRead => SharedRead.make(onKept, onLent)

/**
 * Resets a tcp socket, closes any other, and frees the descriptor now.
 * `carrier` is the socket that was written to, where it is another one.
 */
export const resetUnsafe = (socket: Net.Socket, carrier: Net.Socket = socket): void => {
  if (socket.destroyed) return
  // Node gives its handle away before it resets it, and libuv refuses to reset while a shutdown is on its way: the
  // descriptor would be lost for good. Everything is with the system then, and a plain close is enough.
  const shutting = carrier.writableEnded && carrier.writableLength === 0 && !carrier.writableFinished
  if (socket.remotePort === undefined || shutting) socket.destroy()
  else socket.resetAndDestroy()
}

/** The system's code of an error that Node emitted. */
export const codeOf = (error: Error): string => {
  const code = (error as NodeJS.ErrnoException).code
  return typeof code === "string" ? code : error.name
}

const own = (socket: Net.Socket, wire: NodeWire): void => {
  ;(socket as Owned)[wireOf] = wire
}

function onData(this: Net.Socket, chunk: Uint8Array): void {
  ;(this as Owned)[wireOf].receiveUnsafe(chunk)
}

function onLent(this: Net.Socket, bytes: Uint8Array): boolean {
  return (this as Owned)[wireOf].takeUnsafe(bytes)
}

function onKept(this: Net.Socket, copy: Uint8Array): void {
  ;(this as Owned)[wireOf].keepUnsafe(copy)
}

function onEnd(this: Net.Socket): void {
  ;(this as Owned)[wireOf].finishUnsafe()
}

function onError(this: Net.Socket, error: Error): void {
  ;(this as Owned)[wireOf].loseUnsafe(lostWith(codeOf(error), error))
}

function onClose(this: Net.Socket): void {
  ;(this as Owned)[wireOf].releaseUnsafe()
}
