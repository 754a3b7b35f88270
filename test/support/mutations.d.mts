/** A bug to plant: see `mutations.mjs`. */
export interface Mutation {
  readonly rule: string
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly test: string
  /** The file that this is recorded in, below `test/`. */
  readonly record: string
}

export const readRecords: (filter?: string) => ReadonlyArray<Mutation>

export const mutate: (source: string, mutation: Mutation) => string
