FROM python:3.13-slim AS dependencies
RUN python -m venv /opt/venv
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements-production.lock /
RUN /opt/venv/bin/pip install --only-binary :all: --require-hashes -r /requirements-production.lock

FROM dependencies AS sandbox-dependencies
COPY requirements-sandbox.lock /
RUN /opt/venv/bin/pip install --only-binary :all: --require-hashes -r /requirements-sandbox.lock

FROM python:3.13-slim AS code
# The volume of /data takes its owner from here.
RUN useradd --system --uid 10001 --no-create-home sferum && install -d -o sferum -m 700 /data
WORKDIR /app
COPY domain domain
COPY application application
COPY infrastructure infrastructure
COPY graphql_api graphql_api
COPY --chmod=755 deploy/sferum /usr/local/bin/sferum
RUN python -m compileall -q domain application infrastructure graphql_api
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SFERUM_HOST=0.0.0.0 SFERUM_DATA_DIR=/data
USER sferum
CMD ["sferum", "api"]

FROM code AS sandbox
COPY --from=sandbox-dependencies /opt/venv /opt/venv

FROM code AS service
COPY --from=dependencies /opt/venv /opt/venv
