import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** This process on this machine, as the owner of epoch claims and leases. */
export const thisProcess = {
  host: hostname(),
  process: process.pid,
  space: processSpace(),
  /** True if a process with this id runs on this machine. */
  isAlive: (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EPERM";
    }
  },
};

/** A process that makes an epoch claim or holds a lease. */
export interface Owner {
  host: string;
  process: number;
  /** Within which process ids tell processes apart; the host if absent. Two containers may have one host name. */
  space?: string;
  /** True if a process with this id runs in this space. */
  isAlive(process: number): boolean;
}

/**
 * True if a process is certainly gone. Only a process of the same space can know; one with our own id is an earlier
 * one.
 */
export function isGone(
  owner: Owner,
  { space, process }: { space: string; process: number },
): boolean {
  if (space !== spaceOf(owner)) return false;
  return process === owner.process || !owner.isAlive(process);
}

/** True if a process certainly runs. */
export function isRunning(
  owner: Owner,
  { space, process }: { space: string; process: number },
): boolean {
  return space === spaceOf(owner) && process !== owner.process && owner.isAlive(process);
}

export function spaceOf({ space, host }: Owner): string {
  return space ?? host;
}

/**
 * Linux gives each container a namespace of process ids, and each start of a machine an id. Elsewhere it is the host.
 */
function processSpace(): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname();
  }
}
