import { systemClock } from "../clock.js";
import { secretIn } from "../configuration/secret-file.js";
import { ThinkbackError } from "../errors.js";
import { type Address, formatAddresses, parseAddresses } from "../rethinkdb/address.js";
import { RethinkSource } from "../rethinkdb/rethink-source.js";
import { RethinkTarget } from "../rethinkdb/rethink-target.js";
import { clusterDialer } from "../rethinkdb/servers.js";

/** Where the address and the password of a server are given. */
export interface Access {
  urls?: readonly string[];
  /** A file that holds the URL, if no URL is given. */
  file?: string | undefined;
  /** For each URL that has none. */
  password?: string | undefined;
  /** A file that holds that password. */
  passwordFile?: string | undefined;
  /** What has given the two files, for messages; their options if absent. */
  names?: { file?: string; passwordFile?: string };
}

export interface SourceArguments {
  source: string[];
  sourceFile?: string;
  sourcePassword?: string;
  passwordFile?: string;
}

export interface TargetArguments {
  target: string[];
  targetFile?: string;
  targetPassword?: string;
  passwordFile?: string;
}

export function accessToSource(args: SourceArguments): Access {
  const { source: urls, sourceFile: file, sourcePassword: password, passwordFile } = args;
  return { urls, file, password, passwordFile };
}

export function accessToTarget(args: TargetArguments): Access {
  const { target: urls, targetFile: file, targetPassword: password, passwordFile } = args;
  return { urls, file, password, passwordFile };
}

/**
 * The source that the arguments name.
 * @param onServer told the address when another server of the source is used than before
 */
export function sourceAt(args: SourceArguments, onServer?: (where: string) => void): RethinkSource {
  const addresses = addressesOf(accessToSource(args), "source");
  const dial = clusterDialer(addresses, "source", systemClock, onServer);
  return new RethinkSource(formatAddresses(addresses), dial, systemClock);
}

/** The target that the arguments name. */
export function targetAt(args: TargetArguments): RethinkTarget {
  const addresses = addressesOf(accessToTarget(args), "target");
  return new RethinkTarget(
    formatAddresses(addresses),
    clusterDialer(addresses, "target", systemClock),
  );
}

/** True if a server is named, by its URL or by a file that holds it. */
export function isGiven({ urls = [], file }: Access): boolean {
  return urls.length > 0 || file !== undefined;
}

/** @throws {ThinkbackError} `usage` if no server is named, a file cannot be read, or an address is not one */
export function addressesOf(access: Access, role: "source" | "target"): Address[] {
  const { urls = [], file, password, passwordFile, names = {} } = access;
  if (!isGiven(access)) {
    throw new ThinkbackError("usage", `no ${role} is given`, {
      hint: `give --${role} rethinkdb://user@host:28015, or set THINKBACK_${role.toUpperCase()}`,
    });
  }
  const { file: ofUrl = `--${role}-file`, passwordFile: ofPassword = "--password-file" } = names;
  const texts = urls.length > 0 ? urls : secretIn(file!, ofUrl).trim().split(/\s+/);
  const common = passwordFile === undefined ? password : secretIn(passwordFile, ofPassword);
  return parseAddresses(texts, common);
}

/** What the operator should know of how a server is reached: TLS that checks nothing. */
export function warningsOf(access: Access, role: "source" | "target"): string[] {
  if (!isGiven(access)) return [];
  return addressesOf(access, role)
    .filter((address) => address.tls?.insecure)
    .map(
      ({ host }) =>
        `insecure=true: the certificate of ${host} is not checked, so whoever stands in between can read and change everything`,
    );
}
