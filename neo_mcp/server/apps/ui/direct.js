/**
 * The server, reached by the browser that it serves this page to: MCP 2026-07-28, one request at a time,
 * behind a secret of this tab. Here no host asks people, so the page does, with the forms of the server.
 */

import { Lost, Refused } from "./failures.js";
import { read } from "./host.js";

const REVISION = "2026-07-28";
const KEPT = "neo-view-session";
const MAX_FORMS = 8;
const CAPABILITIES = {
  elicitation: { form: {} },
  extensions: { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] } },
};

/**
 * Opens a session: with the address's one-time secret, or with what this tab kept of an earlier one.
 *
 * @returns {Promise<import("./types.js").Server>}
 */
export async function reachServer() {
  const once = location.hash.slice(1);
  let secret = sessionStorage.getItem(KEPT);
  if (once && !once.startsWith("/")) {
    // Out of the address bar and the history, whatever becomes of it.
    history.replaceState(null, "", location.pathname);
    const answer = await post("/view/session", { secret: once }, {});
    secret = answer?.session;
    if (typeof secret !== "string") throw new Refused("The server opened no session. " + NEXT);
    sessionStorage.setItem(KEPT, secret);
  }
  if (!secret) throw new Refused("This page was opened without its secret. " + NEXT);
  return { pause: 0.3, call: (tool, args, options = {}) => callTool(secret, tool, args, options) };
}

const NEXT = "Open the address that `pulumi-neo-mcp serve --http --open` shows; each works once.";

/** @param {import("./types.js").CallOptions} options */
async function callTool(secret, tool, args, options) {
  const { signal, ask, patience = 60 } = options;
  let more = {};
  for (let forms = 0; forms < MAX_FORMS; forms++) {
    const result = await request(secret, { name: tool, arguments: args, ...more }, { signal, patience });
    if (result?.resultType !== "input_required") return read(result);
    more = await filledIn(result, ask);
  }
  throw new Refused("The server asks again and again; nothing was sent.");
}

/** The retry of a call that needs to know something from a person. */
async function filledIn(result, ask) {
  const responses = {};
  for (const [key, wanted] of Object.entries(result.inputRequests ?? {})) {
    if (wanted?.method !== "elicitation/create" || !ask) {
      throw new Refused("The server asks for something that this page cannot give.");
    }
    responses[key] = await ask(wanted.params);
  }
  return { inputResponses: responses, requestState: result.requestState };
}

async function request(secret, params, { signal, patience }) {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientInfo": { name: "pulumi-neo-mcp-task-view", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": CAPABILITIES,
  };
  const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { ...params, _meta: meta } };
  const headers = {
    Authorization: `Bearer ${secret}`,
    "MCP-Protocol-Version": REVISION,
    "Mcp-Method": "tools/call",
    "Mcp-Name": params.name,
  };
  const answer = await post("/view/mcp", message, headers, { signal, patience });
  if (answer?.error) throw new Refused(String(answer.error.message ?? "The server reported an error."));
  return answer?.result;
}

/** @param {import("./types.js").CallOptions} [options] */
async function post(path, body, headers, options = {}) {
  const { signal, patience = 20 } = options;
  const signals = [AbortSignal.timeout(patience * 1000), ...(signal ? [signal] : [])];
  let response;
  let text;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Accept: "application/json, text/event-stream",
        ...headers,
      },
      body: JSON.stringify(body),
      credentials: "omit",
      redirect: "error",
      cache: "no-store",
      signal: AbortSignal.any(signals),
    });
    text = await response.text();
  } catch {
    throw new Lost("The server does not answer.");
  }
  const answer = parsed(response.headers.get("content-type") ?? "", text);
  if (response.status === 401 || response.status === 403) {
    sessionStorage.removeItem(KEPT);
    throw new Refused(said(answer) || "The server does not know this page any more. " + NEXT);
  }
  if (response.ok || answer?.error) return answer;
  if (response.status >= 500 || response.status === 429)
    throw new Lost(said(answer) || `HTTP ${response.status}`);
  throw new Refused(said(answer) || `The server answered with HTTP ${response.status}.`);
}

/** The JSON of an answer: alone, or as the last event of a stream. */
function parsed(type, text) {
  const events = text.split(/\r?\n/).filter((line) => line.startsWith("data:"));
  const json = type.startsWith("text/event-stream") ? (events.at(-1)?.slice(5) ?? "") : text;
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

function said(answer) {
  const words = answer?.error?.message ?? answer?.message ?? answer?.error;
  return typeof words === "string" ? words : "";
}
