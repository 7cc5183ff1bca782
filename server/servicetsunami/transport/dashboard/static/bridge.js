// Calls our tools through the host that shows this page as an MCP App: JSON-RPC over postMessage.

import { Trouble, answered } from "./http.js";

const PROTOCOL = "2026-01-26";
const HANDSHAKE_MS = 5000;

export const isEmbedded = () => window.parent !== window;

export class BridgeDoor {
  // `changed` is told the host's context (theme, fonts), `result` the answer that brought us here.
  constructor({ changed, result }) {
    this.waiting = new Map();
    this.last = 0;
    this.changed = changed;
    this.result = result;
    window.addEventListener("message", (event) => {
      if (event.source === window.parent) this.take(event.data);
    });
  }

  async open() {
    const params = {
      protocolVersion: PROTOCOL,
      appInfo: { name: "servicetsunami-dashboard", version: "1" },
      appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
    };
    const welcome = await this.ask("ui/initialize", params, HANDSHAKE_MS);
    this.changed(welcome.hostContext || {});
    this.tell("ui/notifications/initialized", {});
    new ResizeObserver(() => this.measure()).observe(document.body);
    // A host need not pass lists on: without them everything is offered, and refusals are shown.
    return { tools: null, resources: new Set() };
  }

  measure() {
    const height = Math.ceil(document.documentElement.getBoundingClientRect().height);
    this.tell("ui/notifications/size-changed", { width: document.documentElement.clientWidth, height });
  }

  call(name, given) {
    return this.ask("tools/call", { name, arguments: given }).then(answered);
  }

  read(uri) {
    return this.ask("resources/read", { uri }).then((result) => result.contents[0]);
  }

  ask(method, params, patienceMs) {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      if (patienceMs) setTimeout(() => reject(new Trouble("gone", "The host does not answer.")), patienceMs);
      window.parent.postMessage({ jsonrpc: "2.0", id, method, params }, "*");
    });
  }

  tell(method, params) {
    window.parent.postMessage({ jsonrpc: "2.0", method, params }, "*");
  }

  take(message) {
    if (!message || message.jsonrpc !== "2.0") return;
    if (message.method) this.asked(message);
    else this.resolve(message);
  }

  resolve(message) {
    const asked = this.waiting.get(message.id);
    if (!asked) return;
    this.waiting.delete(message.id);
    if (message.error) asked.reject(new Trouble("said", String(message.error.message || "The host refused.")));
    else asked.resolve(message.result || {});
  }

  asked({ id, method, params }) {
    if (method === "ui/notifications/host-context-changed") this.changed(params || {});
    if (method === "ui/notifications/tool-result") this.result(params || {});
    if (id === undefined) return;
    const known = method === "ping" || method === "ui/resource-teardown";
    const answer = known ? { result: {} } : { error: { code: -32601, message: "Not known here." } };
    window.parent.postMessage({ jsonrpc: "2.0", id, ...answer }, "*");
  }
}
