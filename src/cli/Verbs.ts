/**
 * The commands that talk to a gateway. Each is loaded alone where it is asked for: `pub` needs nothing of the server, which
 * takes twice as long to load. Runs nothing.
 */

/** The commands that talk to a gateway, in the order of the help. Each is loaded alone if it is the first argument. */
export const talking = {
  sub: () => import("./Sub.ts"),
  pub: () => import("./Pub.ts"),
  req: () => import("./Req.ts"),
  reply: () => import("./Reply.ts"),
  hist: () => import("./Hist.ts"),
  pres: () => import("./Pres.ts"),
  watch: () => import("./Watch.ts"),
  rtt: () => import("./Rtt.ts"),
  bench: () => import("./Bench.ts"),
  conformance: () => import("./Conformance.ts"),
  context: () => import("./Context.ts"),
}

/** Whether it is the name of one of those. */
export const isTalking = (name: string | undefined): name is keyof typeof talking =>
  name !== undefined && Object.hasOwn(talking, name)

/** All of them. */
export const all = async () =>
  (await Promise.all(Object.values(talking).map((load) => load()))).map(({ command }) => command)

/** One of them. */
export const one = async (name: keyof typeof talking) => (await talking[name]()).command
