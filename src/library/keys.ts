/** What opens a sealed repository. `thinkback init` makes the keys; docs/security.md says who should have which. */
export interface Keys {
  /** Paths of identity files, as `thinkback init` and `age-keygen` make them. */
  identityFiles?: string[];
  /** Identities as text: what such a file holds, or its line `AGE-SECRET-KEY-1…` alone. */
  identities?: string[];
  /** Verification keys, 64 hexadecimal digits each: whom to trust, besides who is named in the identities. */
  trust?: string[];
  /** The passphrase of the identity files that are protected by one. */
  passphrase?: string;
}
