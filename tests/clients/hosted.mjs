// What a hosted agent does with the official TypeScript SDK 1.x: over HTTP or SSE, with a token.
//
// Usage, in the folder that has node_modules: node hosted.mjs URL TOKEN http|sse
// The SDK checks every structuredContent against the tool's outputSchema by itself.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.cwd(), "package.json"));
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { SSEClientTransport } = require("@modelcontextprotocol/sdk/client/sse.js");
const { StreamableHTTPClientTransport } =
  require("@modelcontextprotocol/sdk/client/streamableHttp.js");

const [url, token, way] = process.argv.slice(2);
const ENDLESS = "SELECT sum(a.id * b.id * c.id) FROM range(100000) a, range(60000) b, range(9000) c";

function transport(credential) {
  const options = { requestInit: { headers: { Authorization: `Bearer ${credential}` } } };
  return way === "sse"
    ? new SSEClientTransport(new URL(`${url}/sse`), options)
    : new StreamableHTTPClientTransport(new URL(`${url}/mcp`), options);
}

async function call(client, name, args, options) {
  const result = await client.callTool({ name, arguments: args }, undefined, options);
  assert.ok(!result.isError, `${name}: ${result.content?.[0]?.text}`);
  return result.structuredContent;
}

async function step(sentence, work) {
  await work();
  console.log(sentence);
}

const client = new Client({ name: "hosted", version: "1.0.0" });
await step("is refused without a good token", async () => {
  const stranger = new Client({ name: "stranger", version: "1.0.0" });
  await assert.rejects(stranger.connect(transport("nothing")), /401|invalid_token/);
});
await step("connects with its token", async () => {
  await client.connect(transport(token));
  assert.equal(client.getServerVersion().name, "servicetsunami");
});
await step("lists the tools that the token allows", async () => {
  const names = (await client.listTools()).tools.map((tool) => tool.name);
  assert.ok(names.includes("ingest_dataset"));
  assert.ok(!names.includes("manage_sync"));
});
await step("ingests and queries", async () => {
  const rows = Array.from({ length: 100 }, (_, n) => ({ n }));
  const done = await call(client, "ingest_dataset", { source: rows, name: `from_${way}` });
  assert.equal(done.row_count, 100);
  const answer = await call(client, "query_dataset", { sql: `SELECT sum(n) FROM from_${way}` });
  assert.deepEqual(answer.rows, [[4950]]);
});
await step("runs a notebook", async () => {
  const content = "# Databricks notebook source\nprint(6 * 7)\n";
  const run = await call(client, "run_notebook", { content });
  assert.equal(run.state, "SUCCESS");
  assert.match(JSON.stringify(run), /42/);
});
await step("sees progress, and cancels", async () => {
  const stop = new AbortController();
  const asked = { sql: ENDLESS, timeout_s: 25 };
  const options = { signal: stop.signal, onprogress: () => stop.abort("enough") };
  await assert.rejects(call(client, "query_dataset", asked, options), /enough/);
  const answer = await call(client, "query_dataset", { sql: "SELECT 1" });
  assert.deepEqual(answer.rows, [[1]]);
});
await client.close();
