/**
 * What may be written as a host, and which hosts never leave this machine.
 * Resolves no names.
 */
import { BlockList, isIP } from "node:net"

/**
 * Whether the text is an IP address or could be a host name.
 * The empty text is neither: Node would take it for "every interface".
 */
export const isHost = (text: string): boolean => isIP(text) !== 0 || /^\w[\w.-]{0,252}$/.test(text)

/**
 * Whether only this machine can reach a listener on the host: 127.0.0.0/8, ::1 in any spelling, `localhost`.
 * Any other name is not, whatever it resolves to today.
 */
export const isLoopback = (host: string): boolean => {
  const version = isIP(host)
  if (version === 0) return host.toLowerCase() === "localhost"
  const loopback = new BlockList()
  loopback.addSubnet("127.0.0.0", 8, "ipv4")
  loopback.addAddress("::1", "ipv6")
  return loopback.check(host, version === 4 ? "ipv4" : "ipv6")
}
