"""What the process that tests fork servers from has made, beside the modules that it imported."""

import gc

from servicetsunami.transport.mcp import described
from servicetsunami.transport.rest.app import routers
from servicetsunami.transport.toolsets import TOOLSETS, offered

for line in offered(TOOLSETS, read_only=False):
    described(line)
routers()
# A server looks once through all that its start has made: not through what it did not make.
gc.collect()
gc.freeze()
