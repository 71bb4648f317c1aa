import type { Fragments } from './build-support/kconfig.ts'

/** What a machine should be, as far as recipes need to know it; values of it are in `configs/systems/`. */
export interface System {
  readonly name: string
  /** Of the distribution, as in `os-release`. */
  readonly version: string
  /** The day of that version, such as `2026-11-23`. */
  readonly released: string
  readonly hostname: string
  /** Terminals to log in on, without `/dev/`. */
  readonly consoles: readonly string[]
  readonly busybox: Fragments
  /** Later fragments override earlier ones. */
  readonly kernel: Fragments
  /** The pin of the kernel's source. */
  readonly linux: string
  /** What the kernel is told at start-up, beside where its root is. */
  readonly commandLine: readonly string[]
  /** Settings that the kernel gets at start-up, as in `sysctl.conf`. */
  readonly sysctl: string
  /** Packages that the medium offers to install. */
  readonly offered: readonly string[]
  /** The scripts that start the machine, by file name. */
  readonly init: Readonly<Record<string, string>>
  /** What the package manager is compiled from, by path. */
  readonly mix: Readonly<Record<string, string>>
  /** What each service of the base system runs, by file name; all of them are enabled from the start. */
  readonly services: Readonly<Record<string, string>>
}
