"""The dashboard: one page, served at /dashboard and, as an MCP App, to hosts that show them."""
