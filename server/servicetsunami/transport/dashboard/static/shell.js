// The frame around the views: what is loaded and when, who is signed in, what is shown.

import { begin, h, listen, patch } from "./dom.js";
import { count, since } from "./format.js";
import { HttpDoor, Trouble } from "./http.js";
import { badge, button, failure } from "./parts.js";
import { SYNC, health } from "./sync.js";
import { AUDIT } from "./audit.js";

const TICK_MS = 1000;
const GONE_S = 4;
const AGES_S = 5;
const SAID_MS = 8000;
const TYPED_MS = 250;
const STARTED_MS = 600;
const ENTRIES_MAX = 120;
const CREDENTIAL = "servicetsunami.credential";
const THEME = "servicetsunami.theme";
const THEMES = ["auto", "light", "dark"];

export class Shell {
  constructor(views, root) {
    this.views = views;
    this.root = root;
    this.shown = h("div", { id: "app" });
    this.data = new Map();
    this.settled = new Map();
    this.uis = new Map();
    this.phase = "opening";
    this.goneSince = null;
    this.starting = 0;
    this.ticks = 0;
    this.theme = kept(localStore, THEME) || "auto";
    this.wear(this.theme);
    listen(root);
    document.addEventListener("visibilitychange", () => this.tick());
    setInterval(() => this.tick(), TICK_MS);
  }

  // Where to ask, by `door`; without one, a person is asked for a credential first.
  async enter(door, { isEmbedded = false } = {}) {
    this.door = door;
    this.isEmbedded = isEmbedded;
    this.phase = "opening";
    this.render();
    try {
      const { tools, resources } = await door.open();
      this.tools = tools;
      this.resources = resources;
      this.phase = "ready";
      if (door.credential) keep(tabStore, CREDENTIAL, door.credential);
    } catch (error) {
      this.refused(error);
    }
    this.tick();
    this.render();
  }

  refused(error) {
    if (error.kind === "credential") {
      this.signOut(error.message);
      return;
    }
    this.phase = "failed";
    this.failed = error;
  }

  resume(asksForCredential) {
    const credential = kept(tabStore, CREDENTIAL);
    if (asksForCredential && !credential) {
      this.signOut();
      return;
    }
    this.signsIn = asksForCredential;
    this.enter(new HttpDoor(asksForCredential ? credential : null));
  }

  signOut(why = "") {
    keep(tabStore, CREDENTIAL, null);
    this.data.clear();
    this.uis.clear();
    this.signsIn = true;
    this.phase = "sign in";
    this.why = why;
    this.problem = null;
    this.render();
    const field = document.getElementById("credential");
    if (field) field.focus();
  }

  // What the views ask of the frame.

  get ui() {
    if (!this.uis.has(this.view.id)) this.uis.set(this.view.id, {});
    return this.uis.get(this.view.id);
  }

  set(changes) {
    Object.assign(this.ui, changes);
    this.tick();
    this.render();
  }

  type(typed) {
    const ui = this.ui;
    ui.typed = typed;
    clearTimeout(this.typing);
    this.typing = setTimeout(() => {
      for (const name of Object.keys(ui)) if (name.startsWith("pages ")) delete ui[name];
      Object.assign(ui, { search: typed.trim(), open: null });
      this.tick();
      this.render();
    }, TYPED_MS);
  }

  // What is known under a key; while a new page of the same list comes, the one before stays.
  entry(key, slot) {
    const found = this.data.get(key);
    if (!slot) return found;
    const name = `${this.view.id} ${slot}`;
    if (found && (found.value !== undefined || found.error)) this.settled.set(name, key);
    return this.data.get(this.settled.get(name) || key);
  }

  value(key) {
    return (this.data.get(key) || {}).value;
  }

  put(key, value) {
    this.data.set(key, { value, at: Date.now(), tried: Date.now() });
    this.render();
  }

  can(tool) {
    return !this.tools || this.tools.has(tool);
  }

  isConnected() {
    const sync = this.value(SYNC);
    return Boolean(sync && sync.workspace.connected);
  }

  isStarting() {
    return this.starting > 0;
  }

  link(view) {
    return (event) => {
      event.preventDefault();
      this.go(view);
      const title = document.getElementById("title");
      if (title) title.focus();
    };
  }

  go(id, { isBack = false } = {}) {
    const offered = this.offered();
    this.view = offered.find((view) => view.id === id) || offered[0];
    if (!this.isEmbedded && !isBack && location.hash !== `#${this.view.id}`) history.pushState(null, "", `#${this.view.id}`);
    document.title = `${this.view.title} · ServiceTsunami`;
    this.problem = null;
    this.tick();
    this.render();
  }

  offered() {
    return this.views.filter((view) => view.id !== "audit" || (this.resources && this.resources.has(AUDIT)));
  }

  // Call a tool that changes something, and look at everything anew.
  async act(done, tool, given) {
    try {
      const answer = await this.door.call(tool, given);
      this.say(answer.done || `${done}.`);
    } catch (error) {
      this.complain(error);
    }
    this.reload();
  }

  // Call a tool that starts a run, and tell how it goes; the call itself may take long.
  async start(label, tool, given, runOf) {
    this.starting += 1;
    this.say(`${label} has started.`);
    setTimeout(() => this.reload(), STARTED_MS);
    try {
      const run = runOf(await this.door.call(tool, given));
      this.say(`${label}: ${run.state.toLowerCase().replaceAll("_", " ")}.`);
    } catch (error) {
      this.complain(error);
    }
    this.starting -= 1;
    this.reload();
  }

  complain(error) {
    if (error.kind === "credential") this.signOut(error.message);
    else this.problem = error;
    this.render();
  }

  say(text) {
    const said = document.getElementById("said");
    said.textContent = text;
    said.className = "said";
    clearTimeout(this.saying);
    this.saying = setTimeout(() => {
      said.textContent = "";
      said.className = "unseen";
    }, SAID_MS);
  }

  reload(key) {
    for (const [name, entry] of this.data) if (!key || key === name) entry.tried = 0;
    this.tick();
  }

  // Loading.

  needs() {
    return [{ key: SYNC, tool: "sync_status", args: {}, every: 15 }, ...this.view.needs(this)];
  }

  tick() {
    if (document.hidden || this.phase !== "ready" || !this.view) return;
    const needs = this.needs();
    for (const need of this.goneSince ? needs.slice(0, 1) : needs) {
      const entry = this.data.get(need.key);
      const every = this.goneSince ? GONE_S : need.every;
      if (!entry || (!entry.isPending && Date.now() - entry.tried >= every * 1000)) this.load(need);
    }
    this.ticks += 1;
    if (this.ticks % AGES_S === 0) this.render();
  }

  async load({ key, tool, args, uri }) {
    const entry = this.data.get(key) || {};
    this.data.set(key, entry);
    entry.isPending = true;
    entry.tried = Date.now();
    const door = this.door;
    try {
      entry.value = uri ? await door.read(uri) : await door.call(tool, args);
      entry.at = Date.now();
      entry.error = null;
      this.back();
    } catch (error) {
      entry.error = error instanceof Trouble ? error : new Trouble("said", String(error));
      if (door === this.door) this.missed(entry.error);
    }
    entry.isPending = false;
    this.forget();
    this.render();
  }

  missed(error) {
    if (error.kind === "gone" && !this.goneSince) this.goneSince = Date.now();
    if (error.kind === "credential") this.signOut(error.message);
  }

  back() {
    if (!this.goneSince) return;
    this.goneSince = null;
    this.say("The server is back.");
    this.reload();
  }

  forget() {
    if (this.data.size <= ENTRIES_MAX) return;
    const needed = new Set(this.needs().map((need) => need.key));
    for (const key of this.data.keys()) {
      if (this.data.size > ENTRIES_MAX / 2 && !needed.has(key)) this.data.delete(key);
    }
  }

  // Showing.

  wear(theme) {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }

  render() {
    if (!this.view && this.phase === "ready") this.go(this.isEmbedded ? "" : location.hash.slice(1), { isBack: true });
    const fresh = h("div", { id: "app", "data-phase": this.phase }, this.frame());
    patch(this.root, fresh);
    if (!this.hasBegun) begin(this.root);
    this.hasBegun = true;
  }

  frame() {
    if (this.phase === "sign in") return h("main", { class: "alone", id: "content", key: "sign in", tabindex: "-1" }, this.signInForm());
    if (this.phase === "failed") {
      return h("main", { class: "alone", id: "content", key: "failed", tabindex: "-1" }, h("h1", null, mark(), "ServiceTsunami"),
        failure(this.failed, () => this.enter(this.door, { isEmbedded: this.isEmbedded })));
    }
    if (this.phase !== "ready") {
      return h("main", { class: "alone", id: "content", key: "opening", tabindex: "-1" }, h("h1", null, mark(), "ServiceTsunami"), h("p", { role: "status" }, "Connecting …"));
    }
    return [
      h("header", { class: "top", key: "top" }, h("div", { class: "brand" }, mark(), h("b", null, "ServiceTsunami")), this.vitals(), this.controls()),
      h("nav", { class: "views", "aria-label": "Views", key: "views" }, this.offered().map((view) => this.viewLink(view))),
      h("main", { id: "content", key: `main ${this.view.id}`, tabindex: "-1" },
        h("h1", { id: "title", tabindex: "-1", class: "unseen" }, this.view.title), this.notices(), this.view.render(this)),
    ];
  }

  viewLink(view) {
    const parked = view.id === SYNC && (this.value(SYNC) || {}).parked;
    return h("a", {
      href: `#${view.id}`, key: view.id, "aria-current": view === this.view ? "page" : null,
      on: { click: (event) => { event.preventDefault(); this.go(view.id); } },
    }, view.title, parked ? h("span", { class: "badge bad" }, count(parked), h("span", { class: "unseen" }, " parked")) : null);
  }

  vitals() {
    const sync = this.value(SYNC);
    if (!sync) return h("div", { class: "vitals" });
    const [word, tone] = health(sync.workspace);
    return h("div", { class: "vitals" },
      h("span", null, h("span", { class: "label" }, "Catalog "), h("b", { class: "name" }, sync.catalog)),
      h("span", null, h("span", { class: "label" }, "Databricks "), h("span", { class: `badge ${tone}` }, word)),
      sync.workspace.connected && h("span", null, h("span", { class: "label" }, "Outbox "),
        sync.waiting ? `${count(sync.waiting)} waiting, ${since(sync.oldest_at).replace(" ago", "")}` : "empty"));
  }

  controls() {
    const next = THEMES[(THEMES.indexOf(this.theme) + 1) % THEMES.length];
    return h("div", { class: "tools" },
      !this.isEmbedded && button(`Theme: ${this.theme}`, { key: "theme", kind: "plain", title: `Change to ${next}`, click: () => {
        this.theme = next;
        keep(localStore, THEME, next);
        this.wear(next);
        this.render();
      } }),
      button("Refresh", { key: "refresh", kind: "plain", click: () => { this.reload(); this.say("Everything is looked up anew."); } }),
      this.signsIn && button("Sign out", { key: "sign out", kind: "plain", click: () => this.signOut() }));
  }

  notices() {
    const at = (this.data.get(SYNC) || {}).at;
    return [
      this.goneSince && h("div", { class: "notice wait", role: "status", key: "gone" }, badge("waiting"),
        h("p", null, `The server does not answer. What you see was current ${at ? since(new Date(at).toISOString()) : "a while ago"}; it is asked again every ${GONE_S} s.`)),
      this.problem && h("div", { class: "notice bad", role: "alert", key: "problem" }, h("p", null, this.problem.message),
        button("Dismiss", { key: "dismiss", click: () => { this.problem = null; this.render(); } })),
    ];
  }

  signInForm() {
    return h("form", { class: "sign-in", on: { submit: () => {
      const credential = document.getElementById("credential").value.trim();
      if (credential) this.enter(new HttpDoor(credential));
    } } },
    h("h1", null, mark(), "ServiceTsunami"),
    h("p", { class: "field" }, h("label", { for: "credential" }, "API key or token"),
      h("input", { id: "credential", type: "password", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "kept" }),
      h("small", { class: "quiet", id: "kept" }, "Kept in this tab until you close it. servicetsunami token create makes one.")),
    this.why && h("p", { class: "error", role: "alert" }, this.why),
    h("button", { type: "submit", class: "primary" }, "Sign in"));
  }
}

const mark = () => h("svg", { class: "mark", viewBox: "0 0 24 24", "aria-hidden": "true" },
  h("path", { d: "M2 19c5 0 6-3 6.5-6C9.200 8.500 12.500 5 17 5c2.700 0 4.500 1.600 4.500 3.600 0 1.700-1.300 2.900-2.900 2.900-1.200 0-2.100-.7-2.100-1.800-2.300.6-3.300 2.600-3 5 .3 2.600 2.900 4.300 8.500 4.300z" }));

// Storage may be closed to us, as in the frame of a host.
const tabStore = () => sessionStorage;
const localStore = () => localStorage;

function kept(store, name) {
  try {
    return store().getItem(name);
  } catch {
    return null;
  }
}

function keep(store, name, value) {
  try {
    if (value === null) store().removeItem(name);
    else store().setItem(name, value);
  } catch {
    // Then it is kept for as long as the page is there.
  }
}
