FROM python:3.12-slim AS dependencies
COPY requirements/service.lock /tmp/service.lock
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --no-compile --require-hashes -r /tmp/service.lock \
    && /venv/bin/pip uninstall --yes setuptools pip \
    && find /venv -name __pycache__ -prune -exec rm -r {} +
# Whole files that nothing here loads: tests, headers, sources, Arrow's Flight and S3, numpy's
# build tools, the colours of other languages than Python.
# DL3003: the folder is named after Python's version, which WORKDIR can't match.
# hadolint ignore=DL3003
RUN cd /venv/lib/python3.*/site-packages \
    && find . -depth -type d \( -name tests -o -name test -o -name testsuite -o -name include \) \
        -exec rm -r {} + \
    && find . -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.pyi' \
        -o -name '*.c' -o -name '*.h' -o -name '*.cc' -o -name '*.a' \) -delete \
    && rm -r pyarrow/src pyarrow/_flight.* pyarrow/_s3fs.* pyarrow/libarrow_flight.* \
        pyarrow/libarrow_python_flight.* pyarrow/libarrow_s3.* pyarrow/libarrow_python.so \
        pyarrow/libarrow_python.so.*.*.* sqlalchemy/testing alembic/testing \
    && rm -rf numpy/f2py numpy/distutils numpy/_core/_simd.* \
    && find pygments/lexers -name '[a-z]*.py' ! -name python.py ! -name special.py -delete
# Bytecode of what the service loads, and of nothing else: the root is read-only later.
WORKDIR /app
COPY model model
COPY service service
RUN /venv/bin/python -m service openapi --out /tmp/openapi.yaml \
    && /venv/bin/python -c "import psycopg, sqlalchemy.dialects.postgresql.psycopg" \
    && /venv/bin/python -c "from service.cds import chart_reader, clients" \
    && /venv/bin/python -c "from service.batch import arrow_stream, parquet_file, writing_columns"

# The page is built by the Node that PyPI carries, pinned like everything else.
FROM python:3.12-slim AS page
COPY requirements/node.lock /tmp/node.lock
RUN python -m venv /node \
    && /node/bin/pip install --no-cache-dir --require-hashes -r /tmp/node.lock
ENV PATH=/node/bin:$PATH
WORKDIR /build/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY openapi.yaml /build/openapi.yaml
COPY web ./
RUN mkdir /build/service && node build.mjs

FROM python:3.12-slim
WORKDIR /app
COPY --from=dependencies /venv /venv
COPY --from=dependencies /app /app
COPY --from=page /build/service/static service/static
RUN install --directory --owner=10001 --group=10001 --mode=700 /data
# Reachable from outside, so keys are asked for; only the audit store is ever written.
# DL3064: HSCT2_API_KEYS names a file of hashes; no secret is in the image.
# hadolint ignore=DL3064
ENV HSCT2_HOST=0.0.0.0 \
    HSCT2_AUTH=api-key \
    HSCT2_API_KEYS=/run/secrets/api-keys.json \
    HSCT2_AUDIT_URL=sqlite:////data/audit.db \
    HSCT2_AUDIT_KEY=/data/audit-key.pem \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
VOLUME /data
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["/venv/bin/python", "-c", \
    "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ.get(\"HSCT2_PORT\", 8000)}/livez', timeout=4)"]
ENTRYPOINT ["/venv/bin/python", "-m", "service"]
CMD ["serve"]
