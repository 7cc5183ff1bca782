#!/bin/sh
# Runs once, when PostgreSQL makes its data directory: a role of the server's own, and its database.
set -eu
psql --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --set "password=$LAKE_PASSWORD" <<'SQL'
CREATE ROLE servicetsunami LOGIN PASSWORD :'password';
CREATE DATABASE lake OWNER servicetsunami;
SQL
