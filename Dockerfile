# syntax=docker/dockerfile:1
# Two images from one file (docs/deploy.md):
#
#   docker build --target service  -t nadir-service  .      nadir serve, on port 8000
#   docker build --target workflow -t nadir-workflow .      the graph: snakemake, all commands
#
# VARIANT=cuda (the wheels of the lock, which run on a CPU as well) or VARIANT=cpu (some gigabytes
# smaller; TORCH_INDEX is then the address of an index of torch's CPU wheels). Every package is
# pinned by hash; without requirements/torch-cpu.lock, torch's hashes are those that the index tells.
ARG PYTHON=python:3.11-slim-bookworm

# What installs: compilers and caches stay here.
FROM ${PYTHON} AS build
ARG VARIANT=cuda
# Where packages come from, where that is not the index that pip takes by itself.
ARG PIP_INDEX_URL
ARG TORCH_INDEX
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_HTTP_TIMEOUT=300
WORKDIR /build
RUN python -m venv /srv/env
COPY requirements/ requirements/
RUN python -m pip install --require-hashes -r requirements/uv.lock \
    && case "${VARIANT}" in \
      cuda) cp requirements/runtime.lock image.lock ;; \
      cpu) { test -f requirements/torch-cpu.lock || python requirements/torch_cpu.py \
          requirements/runtime.lock "${TORCH_INDEX:-}" requirements/torch-cpu.lock; } \
        && python requirements/without_gpu.py requirements/runtime.lock \
          requirements/torch-cpu.lock > image.lock ;; \
      *) echo "VARIANT is cuda or cpu, not '${VARIANT}'" >&2; exit 1 ;; \
    esac \
    && UV_DEFAULT_INDEX="${PIP_INDEX_URL:-}" UV_INDEX="${TORCH_INDEX:-}" \
      UV_INDEX_STRATEGY=unsafe-best-match \
      uv pip install --python /srv/env/bin/python --no-deps --require-hashes -r image.lock
COPY pyproject.toml README.md LICENSE ./
COPY workflow/ workflow/
# Built by the setuptools of the lock; nothing is fetched any more.
RUN uv pip install --python /srv/env/bin/python --no-deps --no-build-isolation . \
    && /srv/env/bin/python -m compileall -q /srv/env/lib

# What both images are: the environment, and a user who owns nothing but the folders for data.
FROM ${PYTHON} AS base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libexpat1 libgomp1 tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 nadir \
    && useradd --uid 10001 --gid nadir --no-create-home --home-dir /cache nadir \
    && install --directory --owner nadir --group nadir /cache /models /state /data
COPY --from=build /srv/env /srv/env
# All that is ever written goes to /cache, /state and /data: the root file system may be read-only.
ENV PATH=/srv/env/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMP_WAIT_POLICY=PASSIVE \
    HOME=/cache \
    XDG_CACHE_HOME=/cache \
    MPLCONFIGDIR=/cache/matplotlib \
    NUMBA_CACHE_DIR=/cache/numba \
    NADIR_CACHE=/cache/nadir
ENTRYPOINT ["tini", "--"]

FROM base AS workflow
COPY --from=build /build/requirements/clusters.lock /tmp/clusters.lock
# Executors and storage: what a pod or a Batch job needs to move files through a bucket.
# Snakemake begins each of these with `pip install` of its storage plugin, whatever is installed: it
# finds the wheel of the lock in the image, and asks no index.
RUN python -m pip install --no-cache-dir --no-deps --require-hashes -r /tmp/clusters.lock \
    && awk '/^snakemake-storage-plugin-s3/, !/\\$/' /tmp/clusters.lock > /tmp/storage.lock \
    && python -m pip download --no-cache-dir --no-deps --require-hashes --dest /srv/wheels \
      -r /tmp/storage.lock \
    && rm /tmp/clusters.lock /tmp/storage.lock
ENV PIP_NO_INDEX=1 \
    PIP_NO_DEPS=1 \
    PIP_FIND_LINKS=/srv/wheels
COPY Snakefile config.yaml /srv/workflow/
COPY rules/ /srv/workflow/rules/
COPY profiles/ /srv/workflow/profiles/
COPY envs/ /srv/workflow/envs/
COPY config/ /srv/workflow/config/
COPY workflow/ /srv/workflow/workflow/
USER nadir
WORKDIR /data
CMD ["snakemake", "--snakefile", "/srv/workflow/Snakefile", "--workflow-profile", "/srv/workflow/profiles/default", "--cores", "all"]

# The last stage is what a build without --target makes.
FROM base AS service
USER nadir
WORKDIR /state
VOLUME ["/models", "/state", "/cache"]
EXPOSE 8000
# Ready once the models are loaded; that may take a minute from an object store.
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
STOPSIGNAL SIGTERM
# Words after the image's name, or these variables, say what is served (docs/deploy.md).
ENV NADIR_BUNDLES=/models/bundle
ENTRYPOINT ["tini", "--", "nadir", "serve", "--host", "0.0.0.0", "--port", "8000", "--state", "/state"]
