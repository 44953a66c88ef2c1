import { ThinkbackError } from "../../errors.js";
import { addressForm, readBucketLocation } from "../bucket-location.js";

/** What proves who is asking. */
export type AzureCredential =
  | { kind: "connection string"; text: string }
  | { kind: "key"; account: string; key: string }
  /** A shared access signature. */
  | { kind: "signature"; token: string }
  /** A managed identity, a workload identity, or who is logged in. */
  | { kind: "identity" };

/** Where a repository lies in Azure Blob Storage. */
export interface AzurePlace {
  /** For messages. */
  location: string;
  container: string;
  /** What stands before the name of each object: empty, or a path that ends with a slash. */
  prefix: string;
  /** The address of the account, without a slash at its end; undefined if the connection string says it. */
  endpoint: string | undefined;
  /** The service is Microsoft's own. */
  isMicrosofts: boolean;
  /** The access tier of new objects; that of the account if absent. */
  tier: string | undefined;
  credential: AzureCredential;
}

const form = {
  scheme: "azblob",
  bucket: /^(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*$/,
  options: {
    account: { form: /^[a-z0-9]{3,24}$/, says: "the name of a storage account" },
    endpoint: addressForm,
    // Objects of the tier Archive cannot be read.
    tier: { form: /^(Hot|Cool|Cold)$/, says: "one of Hot, Cool and Cold" },
  },
};

const variables = {
  connection: "AZURE_STORAGE_CONNECTION_STRING",
  key: "AZURE_STORAGE_KEY",
  signature: "AZURE_STORAGE_SAS_TOKEN",
};

type Environment = Record<string, string | undefined>;

/**
 * Reads `azblob://container/prefix?account=…&endpoint=…&tier=…` and the credentials that the environment holds. Throws,
 * with code "usage", if one of them is not of its form, if credentials of two kinds are given, or if they do not say
 * which account is meant.
 */
export function readAzureLocation(location: string, environment: Environment): AzurePlace {
  const { bucket, prefix, options, shown } = readBucketLocation(location, form);
  const account = options.get("account");
  const address = options.get("endpoint")?.replace(/\/$/, "");
  const credential = readCredential(environment, account, address);
  if (credential.kind !== "connection string" && !account && !address) {
    refuse("the azblob: location does not name an account", "add ?account=… to it");
  }
  const text = credential.kind === "connection string" ? credential.text : undefined;
  refuseInTheClear(credential.kind, text === undefined ? address : addressIn(text));
  const ofAccount = account ? `https://${account}.blob.core.windows.net` : undefined;
  return {
    location: shown,
    container: bucket,
    prefix,
    endpoint: address ?? ofAccount,
    isMicrosofts: text === undefined ? isMicrosofts(address) : isOfMicrosofts(text),
    tier: options.get("tier"),
    credential,
  };
}

const proofs: Record<AzureCredential["kind"], string> = {
  "connection string": `the connection string of the account, in ${variables.connection}`,
  key: `a key of the account, in ${variables.key}`,
  signature: `a shared access signature, in ${variables.signature}`,
  identity: "an identity that may read the container, such as that of `az login`",
};

/** The location for another machine, and what is needed there besides, in words. */
export function azureElsewhere(
  given: string,
  environment: Environment,
): { location: string; needs: string[] } {
  return {
    location: given,
    needs: [proofs[readAzureLocation(given, environment).credential.kind]],
  };
}

const microsofts = "core\\.(?:windows\\.net|usgovcloudapi\\.net|chinacloudapi\\.cn)";

function isMicrosofts(address: string | undefined): boolean {
  return (
    address === undefined ||
    new RegExp(`^https://[a-z0-9]+\\.blob\\.${microsofts}$`, "i").test(address)
  );
}

/** The address of blobs that a connection string gives; undefined if it gives none, and they are asked by https:. */
function addressIn(text: string): string | undefined {
  const [, address] = /(?:^|;)\s*BlobEndpoint=([^;]*)/i.exec(text) ?? [];
  if (address !== undefined) return address;
  const isInTheClear = /(?:^|;)\s*DefaultEndpointsProtocol=http\s*(?:;|$)/i.test(text);
  return isInTheClear ? "http://the-account" : undefined;
}

/** What proves who is asking, and the documents, are sent in the clear to this machine itself only, to an emulator. */
function refuseInTheClear(kind: AzureCredential["kind"], address: string | undefined): void {
  if (address === undefined || /^https:/i.test(address.trim())) return;
  const isOwn =
    URL.canParse(address) && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(address).hostname);
  if (isOwn && kind !== "identity") return;
  const where =
    kind === "connection string" ? variables.connection : "option endpoint of the azblob: location";
  refuse(
    `${where} is not an address with https:, so ${sent[kind]} would be sent in the clear`,
    `give an address with https:; with http: only an emulator on this machine is asked, with a key in ${variables.key}`,
  );
}

const sent: Record<AzureCredential["kind"], string> = {
  "connection string": "what it holds, or everything that is stored,",
  key: "everything that is stored",
  signature: "the shared access signature",
  identity: "a token",
};

/** True if a connection string leads to Microsoft's service. */
function isOfMicrosofts(text: string): boolean {
  const [, address] = /(?:^|;)\s*BlobEndpoint=([^;]*)/i.exec(text) ?? [];
  const [, suffix = "core.windows.net"] = /(?:^|;)\s*EndpointSuffix=([^;]*)/i.exec(text) ?? [];
  if (/UseDevelopmentStorage=true/i.test(text)) return false;
  if (address !== undefined) return isMicrosofts(address.replace(/\/$/, ""));
  return new RegExp(`^${microsofts}$`, "i").test(suffix);
}

function readCredential(
  environment: Environment,
  account: string | undefined,
  address: string | undefined,
): AzureCredential {
  const given = Object.values(variables).filter((name) => (environment[name] ?? "") !== "");
  if (given.length > 1) {
    refuse(
      `${given.join(" and ")} are both set`,
      "keep one of them: it must be clear whose permissions are used",
    );
  }
  const [variable] = given;
  if (variable === undefined) return { kind: "identity" };
  const value = environment[variable]!.trim();
  if (variable === variables.connection) return connection(value, account, address);
  if (variable === variables.signature) {
    const token = value.replace(/^\?/, "");
    const isToken = /^[^\s?#]+$/.test(token) && new URLSearchParams(token).has("sig");
    if (!isToken)
      refuse(`${variable} is not a shared access signature`, "it looks like sv=…&sig=…");
    return { kind: "signature", token };
  }
  if (!/^[A-Za-z0-9+/]{4,}={0,2}$/.test(value)) {
    refuse(`${variable} is not the key of an account`, "it is written in base64");
  }
  if (account === undefined) {
    refuse(
      `${variable} is set, and the location does not name its account`,
      "add ?account=… to it",
    );
  }
  return { kind: "key", account: account!, key: value };
}

/** A connection string names the account and its address, and the location must not say anything else. */
function connection(
  text: string,
  account: string | undefined,
  address: string | undefined,
): AzureCredential {
  if (address !== undefined) {
    refuse(
      `${variables.connection} is set, and the location has an option endpoint`,
      "leave one of them out: the connection string names the endpoint",
    );
  }
  const [, named = /^UseDevelopmentStorage=true/i.test(text) ? "devstoreaccount1" : undefined] =
    /(?:^|;)\s*AccountName=([^;]+)/i.exec(text) ?? [];
  if (account !== undefined && account !== named) {
    refuse(
      `${variables.connection} is not that of the account in the location`,
      "leave out the option account, or give the connection string of that account",
    );
  }
  return { kind: "connection string", text };
}

function refuse(what: string, hint: string): never {
  throw new ThinkbackError("usage", what, { hint });
}
