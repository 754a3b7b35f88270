/**
 * The way of a load to its server: whom to dial, and from which addresses of this machine. Plain data, so that a thread can
 * be given it.
 */
import type { Dialer } from "../load/Link.ts"
import * as TcpTransport from "../transport/TcpTransport.ts"
import type { Trust } from "../transport/TlsTransport.ts"
import * as Target from "./Target.ts"

/** A way. */
export interface Way {
  readonly target: Target.Target
  readonly trust: Trust
  /** Addresses of 127.0.0.0/8; 1 leaves the choice to the system. */
  readonly sources: number
}

/** Whether connections to it may come from any address of 127.0.0.0/8. */
export const hasSources = (target: Target.Target): target is Target.Target & { readonly _tag: "Tcp" } =>
  target._tag === "Tcp" && /^127\.|^localhost$/i.test(target.host)

/**
 * Dials the connection with this number. They take turns between the addresses, each of which has some 28 000 ports of its
 * own, and seats of its own at the server.
 */
export const dialer = ({ sources, target, trust }: Way): ((index: number) => Dialer) => {
  if (sources === 1 || !hasSources(target)) {
    const dial = Target.dialer(target, trust)
    return () => dial
  }
  const host = target.host.toLowerCase() === "localhost" ? "127.0.0.1" : target.host
  return (index) => TcpTransport.dial({ ...target, host, localAddress: sourceOf(index % sources) })
}

/** 127.0.0.1, 127.0.0.2 and so on. */
const sourceOf = (n: number): string => `127.${((n + 1) >>> 16) & 255}.${((n + 1) >>> 8) & 255}.${(n + 1) & 255}`
