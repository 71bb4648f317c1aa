/** Runs one function in threads of its own, which are started when it is first called. */
export interface Threads<Task, Result> {
  /** The task takes these buffers with it, which nobody else may use any more. */
  run(task: Task, buffers?: readonly ArrayBuffer[]): Promise<Result>
  close(): Promise<void>
}

/** `module` exports the function as `run`; tasks and results are plain data. */
export function threadsOf<Task, Result>(module: URL, most: number): Threads<Task, Result> {
  let pool: Promise<import('tinypool').default> | undefined
  const start = async (): Promise<import('tinypool').default> => {
    const { Tinypool } = await import('tinypool')
    return new Tinypool({
      filename: module.href,
      minThreads: 1,
      maxThreads: most,
      // What a task leaves behind is garbage at once, and would otherwise pile up in each of them.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    })
  }
  return {
    run: async (task, buffers = []) => {
      pool ??= start()
      return (await pool).run(task, { name: 'run', transferList: [...buffers] })
    },
    close: async () => {
      await (await pool)?.destroy()
    },
  }
}
