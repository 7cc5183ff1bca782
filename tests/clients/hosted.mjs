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

async function step(name, work) {
  await work();
  console.log(`ok ${name}`);
}

async function makeJob(client, what, content) {
  const name = `typescript_${way}_${what}`;
  await call(client, "save_notebook", { name, content });
  const tasks = [{ task_key: "t", notebook_task: { notebook_path: name } }];
  await call(client, "create_job", { name, tasks });
  return name;
}

const QUICK = "# Databricks notebook source\nprint(6 * 7)\n";
const LONG = "# Databricks notebook source\nimport time\ntime.sleep(120)\n";
const client = new Client({ name: "hosted", version: "1.0.0" });
await step("wrong token", async () => {
  const stranger = new Client({ name: "stranger", version: "1.0.0" });
  await assert.rejects(stranger.connect(transport("nothing")), /401|API key/);
});
await step("connect", async () => {
  await client.connect(transport(token));
  assert.equal(client.getServerVersion().name, "servicetsunami");
});
await step("list", async () => {
  const names = (await client.listTools()).tools.map((tool) => tool.name);
  assert.ok(names.includes("ingest_dataset"));
  assert.ok(!names.includes("manage_sync"));
});
await step("ingest", async () => {
  const rows = Array.from({ length: 100 }, (_, n) => ({ n }));
  const done = await call(client, "ingest_dataset", { source: rows, name: `from_${way}` });
  assert.equal(done.row_count, 100);
});
await step("query", async () => {
  const answer = await call(client, "query_dataset", { sql: `SELECT sum(n) FROM from_${way}` });
  assert.deepEqual(answer.rows, [[4950]]);
});
await step("notebook", async () => {
  const run = await call(client, "run_notebook", { content: QUICK });
  assert.equal(run.state, "SUCCESS");
  assert.match(JSON.stringify(run), /42/);
});
await step("follow", async () => {
  const name = await makeJob(client, "quick", QUICK);
  let { run } = await call(client, "run_job", { name });
  const run_id = run.run_id;
  while (["PENDING", "RUNNING"].includes(run.state)) {
    run = (await call(client, "get_run", { run_id })).run;
  }
  assert.equal(run.state, "SUCCESS");
});
await step("cancel", async () => {
  const name = await makeJob(client, "long", LONG);
  const waiting = call(client, "run_job", { name });
  let runs = [];
  while (runs.length === 0) {
    runs = (await call(client, "get_run", { name })).runs;
  }
  const stopped = await call(client, "cancel_run", { run_id: runs[0].run_id });
  assert.equal(stopped.state, "CANCELED");
  assert.equal((await waiting).run.state, "CANCELED");
});
await step("error", async () => {
  const asked = { name: "describe_asset", arguments: { name: "nothing_here" } };
  const result = await client.callTool(asked);
  assert.ok(result.isError);
  assert.match(result.content[0].text, /No dataset is named 'default.nothing_here'/);
});
// The call itself is cancelled too, which makes room for the next one.
await step("progress", async () => {
  const stop = new AbortController();
  const asked = { sql: ENDLESS, timeout_s: 25 };
  const options = { signal: stop.signal, onprogress: () => stop.abort("enough") };
  await assert.rejects(call(client, "query_dataset", asked, options), /enough/);
  const answer = await call(client, "query_dataset", { sql: "SELECT 1" });
  assert.deepEqual(answer.rows, [[1]]);
});
await client.close();
