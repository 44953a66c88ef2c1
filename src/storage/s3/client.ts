/** The official SDK, which is loaded when a bucket is used first. It is an optional package. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { rootCertificates } from "node:tls";
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { messageOf, ThinkbackError } from "../../errors.js";
import { optionalPackage } from "../optional-package.js";
import type { S3Location } from "./location.js";
import { isAws } from "./providers.js";

export type Sdk = typeof import("@aws-sdk/client-s3");

/** How long a connection may take to come about. */
const connectMs = 10_000;
/** How long a connection may be silent while an answer is waited for or read. */
const silentMs = 30_000;

/** The header that S3 took for checksums before it had any other. */
const md5Header = "content-md5";
const ifNoneMatchHeader = "if-none-match";

/** Throws, with code "install", if the package is absent. */
export function loadSdk(): Promise<Sdk> {
  // Otherwise the SDK writes to stderr that a later version of it will not run on Node.js 20.
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";
  return optionalPackage("@aws-sdk/client-s3@3", () => import("@aws-sdk/client-s3"));
}

/** A client that tries once: RetryingStore is the layer that asks again. */
export async function makeClient(sdk: Sdk, location: S3Location): Promise<S3Client> {
  const config = await configOf(location);
  let client = new sdk.S3Client(config);
  const fallback = location.provider.region;
  if (fallback !== undefined && !(await hasRegion(client))) {
    client.destroy();
    client = new sdk.S3Client({ ...config, region: fallback });
  }
  addHeaders(client, location);
  return client;
}

/** Passed on to what finds the credentials: a file of AWS is read anew by each client, since it may have changed. */
const freshFiles = { ignoreCache: true };

async function configOf(location: S3Location): Promise<S3ClientConfig> {
  const { provider, endpoint, region, profile, pathStyle } = location;
  const mode = provider.checksums === "always" ? "WHEN_SUPPORTED" : "WHEN_REQUIRED";
  const agent = { keepAlive: true, maxSockets: provider.requestsAtOnce };
  return {
    ...freshFiles,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
    forcePathStyle: pathStyle,
    maxAttempts: 1,
    requestChecksumCalculation: mode,
    responseChecksumValidation: mode,
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: connectMs,
      socketTimeout: silentMs,
      httpAgent: agent,
      httpsAgent: { ...agent, ...(await trusted(location.ca)) },
    },
  };
}

async function trusted(file: string | undefined): Promise<{ ca?: string[] }> {
  if (file === undefined) return {};
  try {
    return { ca: [...rootCertificates, await readFile(file, "utf8")] };
  } catch (error) {
    throw new ThinkbackError("usage", `the file of the option ca cannot be read`, {
      hint: "give ca= the path of a file with certificates in PEM",
      cause: error,
    });
  }
}

/** True if a region is given, or the environment or a file of AWS has one. */
async function hasRegion(client: S3Client): Promise<boolean> {
  try {
    return (await client.config.region()) !== "";
  } catch (error) {
    if (/region is missing/i.test(messageOf(error))) return false;
    throw error;
  }
}

/** The parts of a request that are changed here. */
interface Request {
  hostname: string;
  headers: Record<string, string>;
  body?: unknown;
}

/** Gives each request the headers that the provider wants in place of those of AWS, before it is signed. */
function addHeaders(client: S3Client, location: S3Location): void {
  const { createIfAbsent, checksums } = location.provider;
  client.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as Request;
      refuseUnexpectedHost(request.hostname, location);
      if (checksums === "md5-if-required") useMd5(request);
      if (createIfAbsent && ifNoneMatchHeader in request.headers) {
        delete request.headers[ifNoneMatchHeader];
        request.headers[createIfAbsent.header] = createIfAbsent.value;
      }
      return next(args);
    },
    { step: "build", priority: "low", name: "headersOfProvider" },
  );
}

/** An endpoint in a file of AWS is taken by the SDK, and nobody here would know what service it is. */
function refuseUnexpectedHost(host: string, { endpoint }: S3Location): void {
  if (endpoint !== undefined || isAws(host)) return;
  throw new ThinkbackError(
    "usage",
    `the SDK of AWS would ask ${host}, which is not known to be of AWS`,
    {
      hint: "a configuration file of AWS may name it: give it as endpoint=… in the location, or in AWS_ENDPOINT_URL_S3",
    },
  );
}

/** Puts the MD5 of the body in the place of a newer checksum. */
function useMd5(request: Request): void {
  const newer = Object.keys(request.headers).filter((name) =>
    /^x-amz-(sdk-)?checksum-/.test(name.toLowerCase()),
  );
  // The second header asks for the checksums of an answer, and is none.
  if (!newer.some((name) => name.toLowerCase() !== "x-amz-checksum-mode")) return;
  for (const name of newer) delete request.headers[name];
  const body = request.body;
  const bytes = typeof body === "string" || body instanceof Uint8Array ? body : "";
  request.headers[md5Header] = createHash("md5").update(bytes).digest("base64");
}
