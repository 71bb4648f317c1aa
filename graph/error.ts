/** Stable names for what a user can act on; wording may change, codes may not. */
export type ErrorCode =
  | 'ADDRESS_UNAVAILABLE'
  | 'BAD_ARGUMENT'
  | 'BUILD_FAILED'
  | 'BUILD_LIMIT'
  | 'BUILD_OUTPUT_INVALID'
  | 'BUILD_OUTPUT_MISSING'
  | 'CACHE_DENIED'
  | 'CACHE_FOREIGN'
  | 'CACHE_INCOMPLETE'
  | 'CACHE_INVALID'
  | 'CACHE_READ_ONLY'
  | 'CACHE_UNAVAILABLE'
  | 'CANCELLED'
  | 'CYCLE'
  | 'DERIVATION_INVALID'
  | 'DISK_FULL'
  | 'FETCH_FAILED'
  | 'FILE_UNAVAILABLE'
  | 'HASH_MISMATCH'
  | 'KEY_INVALID'
  | 'LOCK_INVALID'
  | 'LOCK_OUTDATED'
  | 'NAME_UNKNOWN'
  | 'NOT_REPRODUCIBLE'
  | 'OBJECT_INVALID'
  | 'OBJECT_UNKNOWN'
  | 'PACKAGE_CONFLICT'
  | 'PACKAGE_INVALID'
  | 'PACKAGE_UNKNOWN'
  | 'RECIPE_INVALID'
  | 'RECORD_INVALID'
  | 'REPOSITORY_INVALID'
  | 'REPOSITORY_UNAVAILABLE'
  | 'SANDBOX_UNAVAILABLE'
  | 'SCRIPT_FAILED'
  | 'SERVICE_FAILED'
  | 'SETTINGS_INVALID'
  | 'SIGNATURE_INVALID'
  | 'STEP_FAILED'
  | 'STORE_FOREIGN'
  | 'STORE_READ_ONLY'
  | 'SYSTEM_CHANGED'

/**
 * Something that a user can act on: what failed on what, in lower case, and the next step as `hint`.
 * A bug is a plain Error and is printed with its stack.
 */
export class MixosError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'MixosError'
    this.code = code
    this.hint = options.hint
  }
}
