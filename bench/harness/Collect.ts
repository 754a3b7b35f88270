/**
 * Loaded before a Node server (`--expose-gc --import`): collects all garbage when told to by SIGUSR2.
 * Changes nothing until then.
 */
process.on("SIGUSR2", () => globalThis.gc?.())
