/** Where a process listens. */
import { isIPv6 } from "node:net";
import { ThinkbackError } from "../errors.js";

export interface ListenAddress {
  /** An address of this machine, or its name. */
  host: string;
  /** 0 for any port that is free. */
  port: number;
}

/** Only this machine reaches it. */
const loopback = "127.0.0.1";

/**
 * Reads a port, which is one of the loopback, or a host and a port: `9464`, `0.0.0.0:9464`, `[::1]:9464`.
 * @param option what gives the text, for messages
 * @throws {ThinkbackError} `usage` if it is none
 */
export function parseListen(option: string, text: string): ListenAddress {
  const match = /^(?:(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+)):)?(\d{1,5})$/i.exec(text.trim());
  const [, six, name, port] = match ?? [];
  const isFit =
    match && Number(port) <= 65_535 && (six === undefined || isIPv6(six)) && isHost(name);
  if (isFit) return { host: six ?? name ?? loopback, port: Number(port) };
  throw new ThinkbackError("usage", `${option} "${text}" is not an address to listen on`, {
    hint: "give a port such as 9464, which only this machine reaches, or a host and a port such as 0.0.0.0:9464 or [::1]:9464",
  });
}

/** False for what looks like an IPv4 address, and is none. */
function isHost(name: string | undefined): boolean {
  if (name === undefined || !/^[\d.]+$/.test(name)) return true;
  const parts = name.split(".");
  return parts.length === 4 && parts.every((part) => part !== "" && Number(part) <= 255);
}

/** True for an address that only this machine reaches. */
export function isLoopback({ host }: ListenAddress): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

/** As it stands in a URL. */
export function addressText({ host, port }: ListenAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
