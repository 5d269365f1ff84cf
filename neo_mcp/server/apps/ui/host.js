/**
 * The server, reached through the host whose frame this page is in: the MCP Apps protocol, revision
 * 2026-01-26, as JSON-RPC over postMessage. The host asks people what a call needs to know from them.
 */

import { Lost, Refused } from "./failures.js";

const REVISION = "2026-01-26";
const PATIENCE = 60;

/**
 * Greets the host.
 *
 * @param {object} on
 * @param {(context: any) => void} on.context how the host looks, whenever that changes
 * @param {(task: import("./types.js").TaskName) => void} on.task the task of the call that opened this page
 * @param {() => void} on.close
 * @returns {Promise<import("./types.js").Server>}
 */
export async function reachHost(on) {
  const peer = new Peer(window.parent, {
    "ui/notifications/host-context-changed": (context) => on.context(context),
    "ui/notifications/tool-input": (params) => tell(named(params?.arguments)),
    "ui/notifications/tool-result": (params) => tell(named(params?.structuredContent)),
    "ui/resource-teardown": () => on.close(),
    ping: () => {},
  });
  const tell = (task) => task && on.task(task);
  const greeting = await peer.ask("ui/initialize", {
    protocolVersion: REVISION,
    appInfo: { name: "pulumi-neo-mcp-task-view", version: "1" },
    appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
  });
  on.context(greeting?.hostContext ?? {});
  peer.tell("ui/notifications/initialized", {});
  return {
    pause: 1,
    openLink: (url) => void peer.ask("ui/open-link", { url }).catch(() => {}),
    call: (tool, args, options = {}) => callTool(peer, tool, args, options),
    resized: (height) => peer.tell("ui/notifications/size-changed", { height }),
  };
}

/** @param {import("./types.js").CallOptions} options */
async function callTool(peer, tool, args, options) {
  const { signal, patience = PATIENCE } = options;
  const result = await peer.ask("tools/call", { name: tool, arguments: args }, { signal, patience });
  return read(result);
}

/**
 * What a tool's result says.
 *
 * @returns {import("./types.js").Answer}
 */
export function read(result) {
  const blocks = Array.isArray(result?.content) ? result.content : [];
  const text = blocks.flatMap((block) => (block?.type === "text" ? [String(block.text)] : [])).join("\n");
  if (result?.isError) throw new Refused(text || "The server refused, and did not say why.");
  return { content: result?.structuredContent ?? null, text };
}

/** The task that a tool's arguments or its result are about, whichever of the three tools it was. */
function named(content) {
  const several = content?.tasks ?? content?.task_ids?.map((task_id) => ({ task_id }));
  for (const one of [content, content?.task, several?.[0]]) {
    if (typeof one?.task_id === "string" && one.task_id) {
      const organization = one.organization ?? content.organization;
      return { task_id: one.task_id, ...(typeof organization === "string" ? { organization } : {}) };
    }
  }
  return null;
}

/** One end of JSON-RPC over postMessage. */
class Peer {
  #other;
  #handlers;
  #waiting = new Map();
  #last = 0;

  constructor(other, handlers) {
    this.#other = other;
    this.#handlers = handlers;
    window.addEventListener("message", (event) => {
      if (event.source === other && event.data?.jsonrpc === "2.0") this.#receive(event.data);
    });
  }

  tell(method, params) {
    this.#send({ method, params });
  }

  /** @param {import("./types.js").CallOptions} [options] */
  ask(method, params, options = {}) {
    const { signal, patience = PATIENCE } = options;
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      const end = (settle, value) => {
        if (!this.#waiting.delete(id)) return;
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        settle(value);
      };
      const giveUp = (error) => {
        this.tell("notifications/cancelled", { requestId: id, reason: error.message });
        end(reject, error);
      };
      const abort = () => giveUp(new Lost("No longer wanted."));
      const timer = setTimeout(() => giveUp(new Lost("The host does not answer.")), patience * 1000);
      this.#waiting.set(id, { resolve: (v) => end(resolve, v), reject: (e) => end(reject, e) });
      signal?.addEventListener("abort", abort);
      this.#send({ id, method, params });
    });
  }

  #receive(message) {
    if (message.method === undefined) {
      const waiting = this.#waiting.get(message.id);
      if (message.error) waiting?.reject(failure(message.error));
      else waiting?.resolve(message.result);
      return;
    }
    const handler = Object.hasOwn(this.#handlers, message.method) ? this.#handlers[message.method] : null;
    handler?.(message.params);
    if (message.id === undefined) return;
    const unknown = { code: -32601, message: `There is no ${message.method} here.` };
    this.#send({ id: message.id, ...(handler ? { result: {} } : { error: unknown }) });
  }

  #send(message) {
    // A sandboxed frame does not know its parent's origin: whoever holds the frame is the host.
    this.#other.postMessage({ jsonrpc: "2.0", ...message }, "*");
  }
}

/** What a protocol error means: the host or the server answered, and it was not what we asked for. */
function failure(error) {
  const message = String(error.message ?? "The host reported an error.");
  const timedOut = error.code === -32001 || error.code === -32000;
  return timedOut ? new Lost(message) : new Refused(message);
}
