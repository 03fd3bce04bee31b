# Casebell in one container; README.md says how to build, set up and run it. The only writable place it
# needs is the volume /data.
#
# BASE is any Debian-like image with Python 3.11 to 3.13 and its venv module. Behind a private package
# index or an inspecting proxy, pass pip's configuration and the certificates it names as build
# secrets (neither stays in the image):
#
#   docker build --secret id=pip.conf,src=pip.conf --secret id=ca.pem,src=ca.pem -t casebell .
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# Everything installed is named by version and hash, the build backend too; and no source
# distributions, because those would run code that fetches what no hash names.
COPY requirements.lock requirements-build.lock requirements-demo.lock ./
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca.pem,target=/run/secrets/ca.pem \
    python3 -m venv /opt/casebell && python3 -m venv backend \
 && /opt/casebell/bin/pip install --quiet --no-compile --only-binary :all: \
        --require-hashes --requirement requirements.lock --requirement requirements-demo.lock \
 && backend/bin/pip install --quiet --only-binary :all: \
        --require-hashes --requirement requirements-build.lock

COPY pyproject.toml README.md LICENSE ./
COPY src src
# Byte code is compiled here, since a read-only root cannot keep what the first start compiles, and
# unchecked, since file times need not survive a copy between layers.
RUN backend/bin/hatchling build --target wheel --directory dist \
 && /opt/casebell/bin/pip install --quiet --no-compile --no-index --no-deps dist/*.whl \
 && /opt/casebell/bin/pip uninstall --quiet --yes pip setuptools \
 && /opt/casebell/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/casebell/lib


FROM ${BASE}
LABEL org.opencontainers.image.title="Casebell" \
      org.opencontainers.image.description="Self-hosted receiver and alert relay for US immigration case-status webhooks" \
      org.opencontainers.image.licenses="MIT"

# A fixed number, so that the owner of a mounted directory can be set from outside.
RUN groupadd --gid 10001 casebell \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin casebell \
 && install --directory --owner 10001 --group 10001 --mode 0700 /data
COPY --from=build /opt/casebell /opt/casebell

# Inside a container the loopback address reaches nobody, whatever the file in the volume says; and the
# port is fixed here so that EXPOSE and HEALTHCHECK are true.
ENV PATH=/opt/casebell/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CASEBELL_SERVER__HOST=0.0.0.0 \
    CASEBELL_SERVER__PORT=8080

# By number, so that Kubernetes' runAsNonRoot can tell.
USER 10001:10001
# casebell looks for ./config.toml first, then for /etc/casebell/config.toml.
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# Without curl, past any HTTP_PROXY, and over TLS where the configuration names certificates.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", "\
import os, ssl, sys\n\
from http.client import HTTPConnection, HTTPSConnection\n\
port = int(os.environ['CASEBELL_SERVER__PORT'])\n\
plain = HTTPConnection('127.0.0.1', port, timeout=2)\n\
secure = HTTPSConnection('127.0.0.1', port, timeout=2, context=ssl._create_unverified_context())\n\
status = lambda server: server.request('GET', '/health') or server.getresponse().status\n\
try: answer = status(plain)\n\
except Exception: answer = status(secure)\n\
sys.exit(answer != 200)"]
ENTRYPOINT ["casebell"]
CMD ["serve"]
