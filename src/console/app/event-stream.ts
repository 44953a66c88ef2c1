/** Reads server-sent events with a token, which the browser's own EventSource cannot send. */

export interface ServerEvent {
  id: string | undefined;
  event: string;
  data: string;
}

/**
 * Gives each event of a stream until it ends.
 * @param lastId the events after this one are asked for
 * @param onSound called whenever something comes, also what only says that the server is there
 * @returns false if the server says that nothing more will come
 * @throws if the stream cannot be had: an Error with the status in `cause`, or of the network
 */
export async function readEvents(
  path: string,
  token: string,
  lastId: string | undefined,
  signal: AbortSignal,
  onEvent: (event: ServerEvent) => void,
  onSound: () => void = () => undefined,
): Promise<boolean> {
  const response = await fetch(path, {
    headers: {
      authorization: `Bearer ${token}`,
      ...(lastId === undefined ? {} : { "last-event-id": lastId }),
    },
    cache: "no-store",
    signal,
  });
  if (response.status === 204) return false;
  if (!response.ok || !response.body) {
    throw new Error(`the server answers ${response.status}`, { cause: response.status });
  }
  let text = "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return true;
    onSound();
    text += value;
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      const event = eventIn(text.slice(0, end));
      text = text.slice(end + 2);
      if (event) onEvent(event);
    }
  }
}

function eventIn(block: string): ServerEvent | undefined {
  const fields = new Map<string, string>();
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ""));
  }
  const data = fields.get("data");
  if (data === undefined) return undefined;
  return { id: fields.get("id"), event: fields.get("event") ?? "message", data };
}
