/**
 * The client as browsers take it: all of `longline/client`, and how to dial from a page. For bundlers; brings nothing of
 * Node.
 */

export * from "./client/index.ts"
export * as BrowserTransport from "./transport/BrowserTransport.ts"
