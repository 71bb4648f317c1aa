/**
 * Milliseconds in which this thread had nothing to do but wait, since some moment. What
 * time others took is a difference of it: while we compute, what they sent waits for us.
 */
export function idleTime(): number {
  return performance.eventLoopUtilization().idle
}

/** At least half of it and at most half as much again, so that those who wait alike do not all come back at once. */
export function jittered(milliseconds: number): number {
  return milliseconds * (0.5 + Math.random())
}
