/** Passwords in addresses: whether one stands there, and the address without it. */

/** True if a URL has a password before its host. */
export function hasPassword(url: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\/[^@/?#]*:[^@]+@/i.test(url.trim());
}

/** A text with `***` in place of what stands between the user and the host of each URL in it. */
export function withoutPasswords(text: string): string {
  return text.replaceAll(/([a-z][a-z0-9+.-]*:\/\/[^\s@:/?#"']*):\S*@/gi, "$1:***@");
}
