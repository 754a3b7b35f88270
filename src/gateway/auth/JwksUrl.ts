/**
 * Fetches a JSON Web Key Set from its issuer.
 * Follows no redirect, reads no more than its bound and waits no longer than its deadline; parses nothing.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** Bytes of a key set: a hundred RSA keys with their certificates. */
export const maxJwksBytes = 256 * 1024

/** From the request to the last byte, in milliseconds. */
export const fetchTimeoutMs = 5000

/** A key set that cannot be had: one sentence says why. */
export class JwksUnavailable extends Data.TaggedError("JwksUnavailable")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** Fetches the text of the key set. */
export const fetchText = (url: string): Effect.Effect<string, JwksUnavailable> =>
  Effect.tryPromise({
    try: (signal) => read(url, signal),
    catch: (cause) =>
      cause instanceof JwksUnavailable ? cause : new JwksUnavailable({ detail: `${url} ${why(cause)}` }),
  }).pipe(
    Effect.timeoutOrElse({
      duration: fetchTimeoutMs,
      orElse: () => Effect.fail(new JwksUnavailable({ detail: `${url} gave no answer within ${fetchTimeoutMs} ms` })),
    }),
  )

const read = async (url: string, signal: AbortSignal): Promise<string> => {
  // A redirect could lead away from https, and from where the operator trusts.
  const response = await fetch(url, { signal, redirect: "manual", headers: { accept: "application/json" } })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new JwksUnavailable({ detail: `${url} answered with status ${response.status}, and 200 is expected` })
  }
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    // Leaving the loop cancels the body, and its connection with it.
    if (bytes > maxJwksBytes) throw new JwksUnavailable({ detail: `${url} sent more than ${maxJwksBytes} bytes` })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString("utf8")
}

/** `fetch` hides the reason ("connect ECONNREFUSED") in the cause of a bare "fetch failed". */
const why = (cause: unknown): string => {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  return `cannot be read: ${inner instanceof Error ? inner.message : String(inner)}`
}
