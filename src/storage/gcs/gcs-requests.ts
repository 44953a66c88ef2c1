/**
 * Requests of the JSON API of Google Cloud Storage, each sent once, with the credentials of Google's own client.
 *
 * The methods of that client for objects are not used: they cannot be aborted, look at an upload's checksum only after
 * the object is there and then delete it, and need more than one request for the end of an object and its size.
 */
import type { Agent } from "node:https";
import type { Storage } from "@google-cloud/storage";
import { untilAborted } from "../../abort.js";
import { messageOf } from "../../errors.js";
import {
  BucketForbidden,
  BucketUnavailable,
  firstLine,
  isOfNetwork,
  isPassing,
} from "../bucket-failures.js";
import { StoreError } from "../object-store.js";
import { optionalPackage } from "../optional-package.js";
import { failureOfCertificate, nodeTrusts } from "../untrusted.js";
import type { GcsPlace } from "./gcs-location.js";
import { oneRequest } from "./one-request.js";

export interface GcsRequest {
  method: "GET" | "POST" | "DELETE";
  /** The path, from its slash on. */
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: Buffer;
}

export interface GcsReply {
  status: number;
  /** By names in lower case. */
  headers: Record<string, string | undefined>;
  body: Buffer;
}

type Auth = Storage["authClient"];
type Client = Pick<Awaited<ReturnType<Auth["getClient"]>>, "request" | "getRequestHeaders">;

/** The failure of a request to the service, or to whoever gives the tokens for it. */
interface RequestFailure extends Error {
  code?: string;
  response?: { status: number };
}

export class GcsRequests {
  private auth: Promise<Auth> | undefined;

  constructor(private readonly place: GcsPlace) {}

  /**
   * The reply of the service, of whatever status. Rejects with a StoreError if there is none, and as soon as the signal
   * aborts.
   */
  send(request: GcsRequest, signal: AbortSignal | undefined): Promise<GcsReply> {
    return untilAborted(this.sendTwice(request, signal), signal);
  }

  /** A token that is refused may be of credentials that were exchanged meanwhile: they are looked for once more. */
  private async sendTwice(request: GcsRequest, signal: AbortSignal | undefined): Promise<GcsReply> {
    const reply = await this.sendNow(request, signal);
    if (reply.status !== 401 || this.place.isAnonymous || signal?.aborted) return reply;
    this.auth = undefined;
    return this.sendNow(request, signal);
  }

  private async sendNow(
    { method, path, query = {}, headers = {}, body }: GcsRequest,
    signal: AbortSignal | undefined,
  ): Promise<GcsReply> {
    const { endpoint, project } = this.place;
    const parameters = new URLSearchParams(project ? { ...query, userProject: project } : query);
    const url = `${endpoint}${path}?${parameters.toString()}`;
    const client = await this.client(url);
    signal?.throwIfAborted();
    try {
      const {
        status,
        headers: found,
        data,
      } = await client.request<Buffer>({
        method,
        url,
        // A compressed reply would have no length to compare with.
        headers: { "accept-encoding": "identity", ...headers },
        ...(body ? { data: body } : {}),
        ...(signal ? { signal } : {}),
        adapter: sendOnce,
        retry: false,
        validateStatus: () => true,
      });
      return { status, headers: found as Record<string, string>, body: data };
    } catch (error) {
      signal?.throwIfAborted();
      // Only whoever gives tokens makes an error with a reply: every reply of the service is taken as it is.
      if ((error as RequestFailure).response) throw this.withoutToken(error);
      const { location } = this.place;
      const [said, cause] = [firstLine(messageOf(error)), plain(error)];
      const { code } = error as RequestFailure;
      throw (
        failureOfCertificate(code, location, said, nodeTrusts, cause) ??
        new BucketUnavailable(location, said, cause)
      );
    }
  }

  /** A client with a token for `url`. */
  private async client(url: string): Promise<Client> {
    this.auth ??= this.load();
    const auth = await this.auth.catch((error: unknown) => {
      this.auth = undefined;
      throw error;
    });
    // The key means nothing: it makes a client that looks for no other credentials.
    if (this.place.isAnonymous) return auth.fromAPIKey("anonymous");
    try {
      const client = await auth.getClient();
      await client.getRequestHeaders(url);
      return client;
    } catch (error) {
      // The next request looks for credentials anew.
      this.auth = undefined;
      throw this.withoutToken(error);
    }
  }

  private async load(): Promise<Auth> {
    const { Storage } = await optionalPackage(
      "@google-cloud/storage@7",
      () => import("@google-cloud/storage"),
    );
    // The project is of no use here. Without one, the client asks the service which it is, and needs the right to.
    return new Storage({ projectId: this.place.project ?? "none" }).authClient;
  }

  private withoutToken(error: unknown): StoreError {
    const status = (error as RequestFailure).response?.status;
    const said = firstLine(messageOf(error));
    if (status === undefined ? isOfNetwork(error) : isPassing(status)) {
      const what = `no token for it can be had at the moment: ${said}`;
      return new BucketUnavailable(this.place.location, what, plain(error));
    }
    return new BucketForbidden(
      `no credentials for ${this.place.location}: ${said}`,
      "set GOOGLE_APPLICATION_CREDENTIALS, run `gcloud auth application-default login`, or run where a service account is attached; see that the machine's clock is right",
      plain(error),
    );
  }
}

type Adapter = NonNullable<Parameters<Client["request"]>[0]["adapter"]>;

/** Sends what Google's client has prepared: its headers hold a token, and its agent leads through a proxy, if any. */
const sendOnce: Adapter = async <T>(options: Parameters<Adapter>[0]) => {
  const { status, headers, body } = await oneRequest({
    url: String(options.url),
    method: options.method ?? "GET",
    headers: { ...options.headers } as Record<string, string>,
    body: options.body as Buffer | undefined,
    agent: options.agent as Agent | undefined,
    signal: (options.signal as AbortSignal | undefined) ?? undefined,
  });
  return {
    config: options,
    data: body as T,
    headers,
    status,
    statusText: "",
    request: { responseURL: String(options.url) },
  };
};

/** An error that says the same, and holds no request, whose headers would hold a token. */
function plain(error: unknown): Error {
  const { code, response } = error as RequestFailure;
  const plainly = new Error(firstLine(messageOf(error)));
  return Object.assign(plainly, {
    ...(typeof code === "string" ? { code } : {}),
    ...(response ? { status: response.status } : {}),
  });
}
