"use strict";
// Shows the OpenAPI document of this server. Nothing comes from anywhere else.

const made = (tag, text, ...children) => {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
};

const found = (api, schema) =>
  schema && schema.$ref
    ? schema.$ref.split("/").slice(1).reduce((part, key) => part[key], api)
    : schema || {};

const typeOf = (schema) => {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.anyOf) return schema.anyOf.map(typeOf).filter((each) => each !== "null").join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items || {})}`;
  return schema.type || schema.const || "any";
};

const table = (head, rows) => {
  const body = made("tbody", "", ...rows.map((row) => made("tr", "", ...row.map((cell) => made("td", cell)))));
  const first = made("tr", "", ...head.map((cell) => made("th", cell)));
  return made("table", "", made("thead", "", first), body);
};

const taken = (api, operation) => {
  const rows = (operation.parameters || []).map((each) => [
    each.name, each.in, typeOf(each.schema), each.description || each.schema.description || "",
  ]);
  const content = (operation.requestBody || {}).content || {};
  for (const [kind, { schema }] of Object.entries(content)) {
    const whole = found(api, schema);
    const needed = new Set(whole.required || []);
    for (const [name, each] of Object.entries(whole.properties || {})) {
      const where = kind.includes("json") ? "body" : "form";
      rows.push([needed.has(name) ? `${name} (required)` : name, where, typeOf(each), each.description || ""]);
    }
  }
  return rows.length ? table(["argument", "in", "type", "what it is"], rows) : made("p", "No arguments.");
};

const answered = (api, operation) => {
  const rows = Object.entries(operation.responses).map(([status, response]) => {
    const whole = found(api, response);
    const [content] = Object.values(whole.content || {});
    return [status, whole.description, content ? typeOf(content.schema) : ""];
  });
  return table(["status", "when", "answer"], rows);
};

const shown = (api, path, method, operation) => {
  const name = made("span", method.toUpperCase());
  name.className = "method";
  const summary = made("summary", "", name, made("code", path));
  const box = made(
    "details", "", summary, made("p", operation.description || operation.summary),
    made("p", `Needs the scope ${operation["x-scope"]}.`), taken(api, operation), answered(api, operation),
  );
  box.id = operation.operationId;
  box.dataset.text = `${method} ${path} ${operation.description}`.toLowerCase();
  return box;
};

const schemas = (api) =>
  Object.entries(api.components.schemas).map(([name, schema]) => {
    const box = made("details", "", made("summary", name), made("pre", JSON.stringify(schema, null, 2)));
    box.dataset.text = name.toLowerCase();
    return box;
  });

const errors = (api) => {
  const all = Object.values(api.components.responses).flatMap((response) =>
    Object.values(response.content).flatMap(({ examples }) =>
      Object.entries(examples).map(([kind, { value }]) => [kind, value, response.description])));
  return all.map(([kind, example, description]) => {
    const box = made(
      "details", "", made("summary", `${example.status} ${kind}`), made("p", `${description}.`),
      made("pre", JSON.stringify(example, null, 2)),
    );
    box.id = kind;
    return box;
  });
};

const show = (api) => {
  document.getElementById("about").textContent = api.info.description;
  const parts = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const title = path.startsWith("/api/") ? operation.tags[0] : `${operation.tags[0]}, as the connector has them`;
      if (!parts.has(title)) parts.set(title, []);
      parts.get(title).push(shown(api, path, method, operation));
    }
  }
  parts.set("Errors", errors(api));
  parts.set("Schemas", schemas(api));
  const sections = [...parts].map(([title, boxes]) => made("section", "", made("h2", title), ...boxes));
  document.getElementById("routes").replaceChildren(...sections);
  document.getElementById("find").addEventListener("input", ({ target }) => {
    const wanted = target.value.trim().toLowerCase();
    for (const box of document.querySelectorAll("details[data-text]")) {
      box.hidden = !box.dataset.text.includes(wanted);
    }
  });
  const asked = location.hash && document.getElementById(location.hash.slice(1));
  if (asked) { asked.open = true; asked.scrollIntoView(); }
};

fetch("/openapi.json")
  .then((response) => response.json())
  .then(show)
  .catch(() => { document.getElementById("routes").textContent = "The document could not be read."; });
