/** An error of the operating system as plain data, since of one that is thrown in a thread only the message arrives. */
export interface SystemError {
  readonly message: string
  readonly code: string
  readonly path?: string
  readonly syscall: string
}

/** Undefined for any other error. */
export function systemErrorOf(error: unknown): SystemError | undefined {
  if (!(error instanceof Error)) return undefined
  const { message, code, path, syscall } = error as NodeJS.ErrnoException
  if (code === undefined || syscall === undefined) return undefined
  return { message, code, syscall, ...(path !== undefined && { path }) }
}

/** The error again, for those who look at its code. */
export function asError({ message, ...fields }: SystemError): NodeJS.ErrnoException {
  return Object.assign(new Error(message), fields)
}
