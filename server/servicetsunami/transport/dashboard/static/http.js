// Calls our tools over Streamable HTTP, in the era of the protocol that needs no session: a server
// that was started anew, or another one behind the same name, goes on as if nothing had been.

const VERSION = "2026-07-28";
const META = {
  "io.modelcontextprotocol/protocolVersion": VERSION,
  "io.modelcontextprotocol/clientInfo": { name: "servicetsunami-dashboard", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

// What went wrong; `kind` is "gone" (no answer), "credential", or "said" (in the server's words).
export class Trouble extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

export class HttpDoor {
  constructor(credential) {
    this.credential = credential;
    this.last = 0;
  }

  async open() {
    const [tools, resources] = [await this.ask("tools/list", {}), await this.ask("resources/list", {})];
    return {
      tools: new Set(tools.tools.map((each) => each.name)),
      resources: new Set(resources.resources.map((each) => each.uri)),
    };
  }

  call(name, given) {
    return this.ask("tools/call", { name, arguments: given }, name).then(answered);
  }

  read(uri) {
    return this.ask("resources/read", { uri }, uri).then((result) => result.contents[0]);
  }

  async ask(method, params, name) {
    const headers = {
      Accept: "application/json, text/event-stream",
      "Content-Type": "application/json",
      "Mcp-Protocol-Version": VERSION,
      "Mcp-Method": method,
    };
    if (name) headers["Mcp-Name"] = name;
    if (this.credential) headers.Authorization = `Bearer ${this.credential}`;
    const id = ++this.last;
    const body = JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, _meta: META } });
    let response;
    try {
      response = await fetch("/mcp", { method: "POST", headers, body, credentials: "omit", redirect: "error" });
      return told(response, await response.text(), id);
    } catch (error) {
      if (error instanceof Trouble) throw error;
      throw new Trouble("gone", "The server does not answer.");
    }
  }
}

function told(response, text, id) {
  const message = messages(response, text).find((each) => each.id === id) || {};
  if (message.result) return message.result;
  const said = message.error ? message.error.message : errorText(text);
  if (response.status === 401) throw new Trouble("credential", said);
  if (response.status === 503 || response.status === 502 || response.status === 504) throw new Trouble("gone", said);
  throw new Trouble("said", said || `The server answered with status ${response.status}.`);
}

function messages(response, text) {
  const kind = response.headers.get("content-type") || "";
  const parts = kind.includes("event-stream")
    ? text.split(/\r?\n\r?\n/).map((part) => part.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n"))
    : [text];
  return parts.map(parsed).filter(Boolean);
}

function errorText(text) {
  // A request that was refused before it was read has an answer without its number.
  const { error, error_description } = parsed(text) || {};
  return error_description || error?.message || "";
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// The structured answer of a tool; what it says where it failed.
export function answered(result) {
  const said = (result.content || []).filter((part) => part.type === "text").map((part) => part.text).join("\n");
  // The marks around others' words are for models.
  if (result.isError) throw new Trouble("said", said.replace(/<\/?data-[0-9a-f]+>/g, ""));
  return result.structuredContent || parsed(said) || {};
}
