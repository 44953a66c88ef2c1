/** Secrets in texts that may be shown: passwords in addresses, and secret keys. */

/** True if a URL has a password before its host. */
export function hasPassword(url: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\/[^@/?#]*:[^@]+@/i.test(url.trim());
}

/** A text with `***` in place of what stands between the user and the host of each URL in it, and of secret keys. */
export function withoutSecrets(text: string): string {
  return text
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/[^\s@:/?#"']*):\S*@/gi, "$1:***@")
    .replaceAll(/(AGE-SECRET-KEY-)[A-Z0-9-]+/gi, "$1***");
}

/** True if a secret key itself stands where the file that holds it should be named. */
export function holdsSecretKey(text: string): boolean {
  return /AGE-SECRET-KEY-/i.test(text);
}

/** What to do about a secret key that is given as a value. */
export const secretKeyHint =
  "put it in a file that only you can read, and name that file; where others may have seen it, make a new key";
