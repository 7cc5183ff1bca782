// The workspace's health, what waits to be sent there, and what is held up.

import { h } from "./dom.js";
import { ask } from "./dialogs.js";
import { count, since } from "./format.js";
import { ago, button, empty, facts, loaded, section, syncBadge, table } from "./parts.js";
import { pullButton } from "./assets.js";

export const SYNC = "sync";
const WINS = "Where something was changed on Databricks meanwhile, what is here replaces it.";

export const sync = {
  id: "sync",
  title: "Sync",
  needs: () => [],
  render: (s) => loaded(s.entry(SYNC), () => s.reload(SYNC), (told) => [
    section("Workspace", { side: actions(s, told) }, workspace(told)),
    section("Outbox",
      h("div", { class: "figures" }, figure("Waiting", count(told.waiting), told.waiting ? "changes" : "nothing"),
        figure("Lag", told.oldest_at ? since(told.oldest_at).replace(" ago", "") : "–", "age of the oldest"),
        figure("Parked", count(told.parked), told.parked ? "needs a decision" : "nothing")),
      told.assets.length ? rows(s, told) : empty("Nothing waits.", told.next),
      told.truncated && h("p", { class: "quiet" }, `${count(told.assets.length)} of ${count(told.total)} assets are shown; the others wait behind them.`)),
  ]),
};

const figure = (label, value, under) => h("div", { class: "figure", key: label }, h("span", { class: "label" }, label), h("b", null, value), h("small", null, under));

// One word for how the workspace is, and how good that is.
export function health({ connected, reachable, authenticated, error, breaker }) {
  if (!connected) return ["local only", "quiet"];
  if (breaker === "open") return ["left alone for now", "bad"];
  if (reachable === false) return ["not reachable", "bad"];
  if (authenticated === false) return ["not signed in", "bad"];
  return error ? ["in trouble", "bad"] : ["healthy", "good"];
}

function workspace({ workspace: there, catalog, next }) {
  const [word, tone] = health(there);
  return [
    there.error && h("p", { class: "error" }, there.error, there.next_step && ` ${there.next_step}`),
    facts([["Health", h("span", { class: `badge ${tone}` }, word)], ["Host", there.host], ["Catalog", catalog], ["Signed in as", there.user],
      ["Warehouse", there.warehouse && `${there.warehouse} ${there.warehouse_state || ""}`], ["Checked", there.checked_at && ago(there.checked_at)], ["What next", next]]),
  ];
}

function actions(s, told) {
  if (!told.workspace.connected || !s.can("manage_sync")) return null;
  return h("span", { class: "row" },
    button("Retry all", { key: "retry", click: async () => {
      if (await ask({ title: "Try everything again?", text: `${WINS} So it is for everything that is parked.`, action: "Retry" })) s.act("Everything that waits is tried again", "manage_sync", { action: "retry" });
    } }),
    button("Initialise", { key: "initialise", click: async () => {
      if (await ask({ title: "Initialise the workspace?", text: `The catalog ${told.catalog} is created if it is missing, and what waits is sent.`, action: "Initialise" })) {
        s.act("The workspace is ready", "manage_sync", { action: "initialise" });
      }
    } }));
}

function rows(s, told) {
  return table({
    label: "Outbox", rows: told.assets, keyOf: (each) => `${each.kind} ${each.name}`,
    isOpen: (each) => Boolean(each.error), opened: (each) => h("p", { class: "error" }, each.error),
    columns: [
      { title: "Name", main: true, cell: (each) => h("span", { class: "name" }, each.name) },
      { title: "Kind", cell: (each) => each.kind },
      { title: "State", cell: (each) => syncBadge(each.state, told.workspace.connected) },
      { title: "Waiting", num: true, cell: (each) => count(each.waiting) },
      { title: "Since", cell: (each) => ago(each.oldest_at) },
      { title: "Sent", num: true, cell: (each) => (each.synced_version === undefined ? "–" : `${each.synced_version} of ${each.version}`) },
      { title: "Tries", num: true, cell: (each) => count(each.attempts) },
      { title: "Next try", cell: (each) => ago(each.next_try_at) },
      { title: "", cell: (each) => s.can("manage_sync") && told.workspace.connected && h("span", { class: "row" },
        button("Retry", { key: `retry ${each.kind} ${each.name}`, spoken: `Retry ${each.name}`, click: async () => {
          if (!each.parked || await ask({ title: `Try ${each.name} again?`, text: WINS, action: "Retry" })) s.act(`${each.name} is tried again`, "manage_sync", { action: "retry", kind: each.kind, name: each.name });
        } }),
        each.kind === "dataset" && pullButton(s, each.kind, each.name),
        button("Drop", { key: `drop ${each.kind} ${each.name}`, spoken: `Drop the changes of ${each.name}`, click: () => drop(s, each) })) },
    ],
  });
}

async function drop(s, { kind, name, waiting, parked }) {
  const sure = await ask({
    title: `Drop the changes of ${name}?`, text: `${count(waiting + parked)} waiting changes will never be sent. They stay here as versions.`,
    action: "Drop", danger: true, fields: [{ name: "confirm", label: "Type its name to confirm", mustBe: name }],
  });
  if (sure) s.act(`The changes of ${name} were dropped`, "manage_sync", { action: "drop", kind, name });
}
