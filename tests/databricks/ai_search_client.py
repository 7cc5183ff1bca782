"""Speaks to a workspace with the official `databricks-ai-search`, in an environment of its own.

Run by `ai_search.py`: the steps come as JSON on stdin, what came of them goes as JSON to stdout.
"""

import asyncio
import json
import sys
from typing import Any

from databricks.ai_search.client import AISearchClient  # ty: ignore[import-not-found]


def see(client: AISearchClient, endpoint: str, name: str, query: dict[str, Any]) -> dict[str, Any]:
    """What it sees of an index that somebody else has made."""
    listed = client.list_indexes(endpoint)["vector_indexes"]
    index = client.get_index(endpoint, name)
    index.wait_until_ready(wait_for_updates=True)
    found = index.similarity_search(**query, disable_notice=True)
    keys, last = [], None
    while True:
        page = index.scan(num_results=2, last_primary_key=last)
        if not page.get("data"):
            break
        for row in page["data"]:
            keys += [f["value"]["string_value"] for f in row["fields"] if f["key"] == "id"]
        last = page["last_primary_key"]
    return {
        "listed": [each["name"] for each in listed],
        "described": index.describe(),
        "hits": found["result"].get("data_array", []),
        "async_hits": asyncio.run(_async_hits(client, endpoint, name, query)),
        "keys": keys,
    }


async def _async_hits(client: AISearchClient, endpoint: str, name: str, query: Any) -> list[Any]:
    async with client.get_async_index(endpoint, name) as index:
        found = await index.similarity_search(**query, disable_notice=True)
    return found["result"].get("data_array", [])


def make(
    client: AISearchClient, endpoint: str, direct: dict[str, Any], rows: Any, synced: dict[str, Any]
) -> dict[str, Any]:
    """Make indexes of its own: one with rows, one whose texts the workspace embeds."""
    client.create_endpoint_and_wait(endpoint)
    index = client.create_direct_access_index(endpoint_name=endpoint, **direct)
    index.wait_until_ready()
    done = index.upsert(rows)
    index.delete([rows[0]["id"]])
    follower = client.create_delta_sync_index(endpoint_name=endpoint, **synced)
    follower.wait_until_ready()
    return {"upserted": done, "followed": follower.describe()["status"]["indexed_row_count"]}


def main() -> None:
    """Do what is asked."""
    asked = json.load(sys.stdin)
    client = AISearchClient(
        workspace_url=asked["url"], personal_access_token=asked["token"], disable_notice=True
    )
    step = {"see": see, "make": make}[asked["step"]]
    print(json.dumps(step(client, **asked["arguments"])))


if __name__ == "__main__":
    main()
