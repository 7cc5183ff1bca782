# syntax=docker/dockerfile:1
# The server over HTTP. Build: docker build -t servicetsunami .   Run: see compose.yaml.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
# With otlp, traces can be sent: docker build --build-arg EXTRAS=otlp .
ARG EXTRAS=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/servicetsunami
COPY requirements.lock ./
RUN /opt/servicetsunami/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY server ./server
RUN if [ -z "${EXTRAS}" ]; then \
      /opt/servicetsunami/bin/pip install --no-deps . ; \
    else \
      /opt/servicetsunami/bin/pip install ".[${EXTRAS}]" ; \
    fi \
    && /opt/servicetsunami/bin/servicetsunami --version

FROM python:${PYTHON}
RUN groupadd --gid 10001 lake \
    && useradd --uid 10001 --gid lake --no-create-home --home-dir /nonexistent lake \
    && install -d -o lake -g lake -m 0700 /data
COPY --from=build /opt/servicetsunami /opt/servicetsunami
# Nothing is written but below /data and /tmp: the root file system may be read-only.
ENV PATH=/opt/servicetsunami/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    SERVICETSUNAMI_DATA_DIR=/data \
    SERVICETSUNAMI_HTTP_HOST=0.0.0.0 \
    SERVICETSUNAMI_AUTH=true
USER 10001:10001
VOLUME /data
EXPOSE 8085
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8085/healthz', timeout=2)"]
# As the first process it gets the signals itself, without a shell in between.
ENTRYPOINT ["servicetsunami"]
CMD ["serve", "--http"]
