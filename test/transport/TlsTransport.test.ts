import { assert, describe, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Crypto from "node:crypto"
import * as Tls from "node:tls"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import * as TlsTransport from "../../src/transport/TlsTransport.ts"
import { HandshakeFailed, type TransportError } from "../../src/transport/Transport.ts"
import { makeCertificates } from "../support/certificates.ts"
import { acceptOne, lossOf, pattern, portOf, rawClient, readBytes, turn, writeAll } from "../support/wires.ts"

const { ca, client, server, stranger } = makeCertificates()
const next = makeCertificates()

const listen = (options: Partial<TlsTransport.Options> = {}) => TlsTransport.make({ port: 0, ...server, ...options })

const dial = (port: number, options: Partial<TlsTransport.DialOptions> = {}) =>
  TlsTransport.dial({ host: "127.0.0.1", port, ca, ...options })

const summary = (error: TransportError) => [error.reason._tag, "code" in error.reason ? error.reason.code : undefined]

describe("TlsTransport", () => {
  it.live("hands a wire out before its handshake, and tells who it is after", () =>
    Effect.gen(function* () {
      const transport = yield* listen()
      const raw = yield* rawClient(transport)
      const [wire] = yield* transport.accept
      const opening = yield* Effect.forkChild(wire.opened, { startImmediately: true })
      assert.strictEqual(opening.pollUnsafe(), undefined)
      Tls.connect({ socket: raw, ca, servername: "localhost" }).on("error", () => {})
      assert.deepStrictEqual(yield* Fiber.join(opening), { authorized: false, protocol: "TLSv1.3" })
      assert.deepStrictEqual(yield* wire.opened, { authorized: false, protocol: "TLSv1.3" })
    }),
  )

  for (const handshakeTimeout of ["30 millis", "0 millis"] as const) {
    it.live(`fails a handshake that is not finished within ${handshakeTimeout}, and frees its descriptor`, () =>
      Effect.gen(function* () {
        const transport = yield* listen({ handshakeTimeout })
        yield* rawClient(transport)
        const [wire] = yield* transport.accept
        const error = yield* Effect.flip(wire.opened)
        assert.deepStrictEqual(summary(error), ["HandshakeFailed", "ERR_TLS_HANDSHAKE_TIMEOUT"])
        assert.strictEqual(yield* lossOf(wire), error)
        assert.strictEqual(yield* Effect.flip(wire.pull), error)
        yield* wire.closed
      }),
    )
  }

  it.live("gives a handshake any time where its deadline is infinite", () =>
    Effect.gen(function* () {
      const transport = yield* listen({ handshakeTimeout: Infinity })
      yield* Effect.all([dial(portOf(transport.address)), acceptOne(transport)], { concurrency: 2 })
    }),
  )

  it.live("gives a client that drips its handshake no more time than a silent one", () =>
    Effect.gen(function* () {
      const transport = yield* listen({ handshakeTimeout: "60 millis" })
      const raw = yield* rawClient(transport)
      // The beginning of a record of 16 KiB, one byte every ten milliseconds.
      raw.write(Buffer.from([0x16, 0x03, 0x01, 0x40, 0x00]))
      const dripping = setInterval(() => raw.write(Buffer.from([0x01])), 10)
      yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(dripping)))
      const [wire] = yield* transport.accept
      const error = yield* Effect.flip(wire.opened)
      assert.deepStrictEqual(summary(error), ["HandshakeFailed", "ERR_TLS_HANDSHAKE_TIMEOUT"])
      yield* wire.closed
    }),
  )

  it.live("fails the handshake of a peer that speaks something else, and says what", () =>
    Effect.gen(function* () {
      const transport = yield* listen()
      const said: Array<ReadonlyArray<string | undefined>> = []
      for (const bytes of ["GET / HTTP/1.1\r\n\r\n", "hello there, plain text"]) {
        const raw = yield* rawClient(transport)
        raw.write(bytes)
        const [wire] = yield* transport.accept
        said.push(summary(yield* Effect.flip(wire.opened)))
        yield* wire.closed
      }
      assert.deepStrictEqual(said, [
        ["HandshakeFailed", "ERR_SSL_HTTP_REQUEST"],
        ["HandshakeFailed", "ERR_SSL_WRONG_VERSION_NUMBER"],
      ])
    }),
  )

  it.live("fails the handshake of a peer that hangs up or resets within it", () =>
    Effect.gen(function* () {
      const transport = yield* listen()
      for (const leave of ["end", "resetAndDestroy"] as const) {
        const raw = yield* rawClient(transport)
        const [wire] = yield* transport.accept
        raw[leave]()
        assert.deepStrictEqual(summary(yield* Effect.flip(wire.opened)), ["HandshakeFailed", "ECONNRESET"])
        yield* wire.closed
      }
    }),
  )

  it.live("writes nothing in the clear, and frees the descriptor when aborted before the handshake", () =>
    Effect.gen(function* () {
      const transport = yield* listen()
      const raw = yield* rawClient(transport)
      const [wire] = yield* transport.accept
      assert.isFalse(wire.writeUnsafe([Buffer.from("secret")]))
      wire.abortUnsafe()
      assert.deepStrictEqual(summary(yield* Effect.flip(wire.opened)), ["WireLost", "ABORTED"])
      yield* wire.closed
      assert.strictEqual(raw.bytesRead, 0)
    }),
  )

  it.live("lets a client in whose certificate the authority signed, and tells its identity", () =>
    Effect.gen(function* () {
      const transport = yield* listen({ clientCa: ca })
      const dialled = yield* dial(portOf(transport.address), client)
      const wire = yield* acceptOne(transport)
      assert.deepStrictEqual(yield* wire.opened, {
        authorized: true,
        protocol: "TLSv1.3",
        subject: "O=Longline, CN=client",
        subjectAltName: "DNS:client.example",
        fingerprint: new Crypto.X509Certificate(client.cert).fingerprint256,
      })
      dialled.writeUnsafe([Buffer.from("hello")])
      assert.strictEqual(String(yield* readBytes(wire, 5)), "hello")
    }),
  )

  for (const [who, identity, code] of [
    ["a certificate of its own making", stranger, "DEPTH_ZERO_SELF_SIGNED_CERT"],
    ["no certificate", {}, "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE"],
  ] as const) {
    it.live(`refuses a client with ${who} where certificates are asked for`, () =>
      Effect.gen(function* () {
        const transport = yield* listen({ clientCa: [ca] })
        // A TLS 1.3 client believes itself connected before its certificate was looked at.
        yield* Effect.exit(dial(portOf(transport.address), identity))
        const [wire] = yield* transport.accept
        assert.deepStrictEqual(summary(yield* Effect.flip(wire.opened)), ["HandshakeFailed", code])
        assert.isFalse(wire.writeUnsafe([Buffer.from("x")]))
        yield* wire.closed
      }),
    )
  }

  for (const [maxVersion, outcome] of [
    ["TLSv1.2", "ERR_SSL_UNSUPPORTED_PROTOCOL"],
    ["TLSv1.3", "TLSv1.3"],
  ] as const) {
    it.live(`answers a ${maxVersion} client where TLSv1.3 is the least with ${outcome}`, () =>
      Effect.gen(function* () {
        const transport = yield* listen({ minVersion: "TLSv1.3" })
        const raw = yield* rawClient(transport)
        Tls.connect({ socket: raw, ca, servername: "localhost", maxVersion }).on("error", () => {})
        const [wire] = yield* transport.accept
        const seen = yield* Effect.match(wire.opened, {
          onSuccess: (identity) => identity?.protocol,
          onFailure: (error) => summary(error)[1],
        })
        assert.strictEqual(seen, outcome)
      }),
    )
  }

  it.live("counts unsent bytes, not what TLS records have added to those before", () =>
    Effect.gen(function* () {
      const transport = yield* listen()
      const dialled = yield* dial(portOf(transport.address))
      const wire = yield* acceptOne(transport)
      // Each little record costs 22 bytes of its own: 330 kB that nobody wrote.
      const reading = yield* Effect.forkChild(readBytes(dialled, 15_000))
      yield* writeAll(
        wire,
        Arr.makeBy(15_000, () => Buffer.from("x")),
      )
      yield* Fiber.join(reading)
      while (wire.writeUnsafe([pattern(65_536)])) yield* turn
      for (let i = 0; i < 3; i++) wire.writeUnsafe([pattern(65_536)])
      assert.isAbove(wire.unsentUnsafe(), 2 * 65_536)
    }),
  )

  describe("renewed", () => {
    const serialOf = (pem: string) => new Crypto.X509Certificate(pem).serialNumber
    /** What a client is shown that trusts whom it must. */
    const shownTo = (port: number, trusted: string) =>
      Effect.callback<string>((resume) => {
        const socket = Tls.connect({ port, host: "127.0.0.1", ca: trusted, servername: "localhost" })
        socket
          .on("error", () => {})
          .once("secureConnect", () => {
            resume(Effect.succeed(socket.getPeerX509Certificate()!.serialNumber))
            socket.destroy()
          })
      })

    it.live("shows newcomers the new certificate, and leaves a connection that is there alone", () =>
      Effect.gen(function* () {
        const renewal = yield* TlsTransport.makeRenewal
        const transport = yield* listen({ renewal })
        const port = portOf(transport.address)
        const dialled = yield* dial(port)
        const wire = yield* acceptOne(transport)
        yield* renewal.renew(next.server)
        assert.strictEqual(yield* shownTo(port, next.ca), serialOf(next.server.cert))
        dialled.writeUnsafe([Buffer.from("still")])
        assert.strictEqual(String(yield* readBytes(wire, 5)), "still")
        wire.writeUnsafe([Buffer.from("here")])
        assert.strictEqual(String(yield* readBytes(dialled, 4)), "here")
        yield* renewal.renew(server)
        assert.strictEqual(yield* shownTo(port, ca), serialOf(server.cert))
      }),
    )

    it.live("before it listens, a listener begins with the new certificate", () =>
      Effect.gen(function* () {
        const renewal = yield* TlsTransport.makeRenewal
        yield* renewal.renew(next.server)
        const transport = yield* listen({ renewal })
        assert.strictEqual(yield* shownTo(portOf(transport.address), next.ca), serialOf(next.server.cert))
      }),
    )

    it.live("with authorities, lets in whom they vouch for, and without any, whom those before did", () =>
      Effect.gen(function* () {
        const renewal = yield* TlsTransport.makeRenewal
        const transport = yield* listen({ clientCa: ca, renewal })
        const outcomeOf = (identity: object) =>
          Effect.gen(function* () {
            yield* Effect.exit(dial(portOf(transport.address), { ca: [ca, next.ca], ...identity }))
            const [wire] = yield* transport.accept
            return yield* Effect.match(wire.opened, {
              onSuccess: (peer) => peer?.authorized,
              onFailure: (error) => summary(error)[1],
            })
          })
        assert.isTrue(yield* outcomeOf(client))
        yield* renewal.renew({ ...next.server, clientCa: next.ca })
        assert.strictEqual(yield* outcomeOf(client), "SELF_SIGNED_CERT_IN_CHAIN")
        assert.isTrue(yield* outcomeOf(next.client))
        yield* renewal.renew({ ...next.server, clientCa: undefined })
        assert.strictEqual(yield* outcomeOf(next.client), "SELF_SIGNED_CERT_IN_CHAIN")
        assert.isTrue(yield* outcomeOf(client))
      }),
    )

    it.live("keeps the least version of TLS", () =>
      Effect.gen(function* () {
        const renewal = yield* TlsTransport.makeRenewal
        const transport = yield* listen({ minVersion: "TLSv1.3", renewal })
        yield* renewal.renew(next.server)
        const raw = yield* rawClient(transport)
        Tls.connect({ socket: raw, ca: next.ca, servername: "localhost", maxVersion: "TLSv1.2" }).on("error", () => {})
        const [wire] = yield* transport.accept
        assert.strictEqual(summary(yield* Effect.flip(wire.opened))[1], "ERR_SSL_UNSUPPORTED_PROTOCOL")
      }),
    )

    const rsa = Crypto.generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey
    for (const [what, identity, code] of [
      ["a certificate that does not parse", { ...next.server, cert: "x" }, "ERR_OSSL_PEM_NO_START_LINE"],
      ["a key that does not parse", { ...next.server, key: "x" }, "ERR_OSSL_UNSUPPORTED"],
      ["the key of another", { ...next.server, key: server.key }, "ERR_OSSL_X509_KEY_VALUES_MISMATCH"],
      [
        "a key of another kind",
        { ...next.server, key: rsa.export({ type: "pkcs8", format: "pem" }) },
        "ERR_OSSL_X509_KEY_VALUES_MISMATCH",
      ],
    ] as const) {
      it.live(`with ${what}, stays as it was`, () =>
        Effect.gen(function* () {
          const renewal = yield* TlsTransport.makeRenewal
          const transport = yield* listen({ renewal })
          const error = yield* Effect.flip(renewal.renew(identity))
          assert.deepStrictEqual([error._tag, error.code], ["RenewalRefused", code])
          assert.strictEqual(
            error.message,
            `the identity stays as it was, the new certificate or key is no good: ${code}`,
          )
          assert.strictEqual(yield* shownTo(portOf(transport.address), ca), serialOf(server.cert))
        }),
      )
    }
  })

  it.live("refuses to listen with a certificate that does not parse", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(listen({ cert: "no certificate" }))
      assert.deepStrictEqual(summary(error), ["ListenFailed", "ERR_OSSL_PEM_NO_START_LINE"])
      assert.strictEqual(
        error.message,
        "cannot listen on 127.0.0.1:0: its certificate or key is no good, ERR_OSSL_PEM_NO_START_LINE",
      )
    }),
  )

  it.live("dials nobody whom it does not trust, under no other name, and waits for no silent server", () =>
    Effect.gen(function* () {
      const port = portOf((yield* listen()).address)
      const silent = portOf((yield* TcpTransport.make({ port: 0 })).address)
      const failures = yield* Effect.forEach(
        [
          dial(port, { ca: stranger.cert }),
          dial(port, { servername: "elsewhere.example" }),
          dial(silent, { timeout: "30 millis" }),
        ],
        (dialling) => Effect.flip(dialling),
      )
      assert.deepStrictEqual(failures.map(summary), [
        ["HandshakeFailed", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
        ["HandshakeFailed", "ERR_TLS_CERT_ALTNAME_INVALID"],
        ["HandshakeFailed", "ERR_TLS_HANDSHAKE_TIMEOUT"],
      ])
      assert.deepStrictEqual(
        failures.map(({ message }) => message),
        [
          "TLS handshake failed: the issuer of the other side's certificate is not known here: give its certificate as an authority to trust, or let the other side send those in between (UNABLE_TO_VERIFY_LEAF_SIGNATURE)",
          "TLS handshake failed: the other side's certificate is for DNS:localhost, IP Address:127.0.0.1, not for elsewhere.example: dial a name that it has, or say which to expect (ERR_TLS_CERT_ALTNAME_INVALID)",
          "TLS handshake failed: the other side did not finish in time (ERR_TLS_HANDSHAKE_TIMEOUT)",
        ],
      )
    }),
  )

  it.live("tells in words of a certificate that nobody else has signed, and of one that is asked for", () =>
    Effect.gen(function* () {
      const selfSigned = portOf((yield* listen(stranger)).address)
      const refused = yield* Effect.flip(dial(selfSigned))
      assert.strictEqual(
        refused.message,
        "TLS handshake failed: the other side has signed its certificate itself: give that certificate as an authority to trust, if it is the right one (DEPTH_ZERO_SELF_SIGNED_CERT)",
      )
      const mutual = yield* listen({ clientCa: ca })
      yield* Effect.exit(dial(portOf(mutual.address)))
      const [wire] = yield* mutual.accept
      assert.strictEqual(
        (yield* Effect.flip(wire.opened)).message,
        "TLS handshake failed: the client has shown no certificate, and has to (ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE)",
      )
    }),
  )

  it("leaves a code that it has no words for as it is", () => {
    const messages = ["CERT_HAS_EXPIRED", "ECONNRESET"].map((code) => new HandshakeFailed({ code }).message)
    assert.deepStrictEqual(messages, [
      "TLS handshake failed: the other side's certificate has expired: it needs a new one, unless the clock of this machine is wrong (CERT_HAS_EXPIRED)",
      "TLS handshake failed: ECONNRESET",
    ])
  })
})
