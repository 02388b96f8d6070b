# ProgImage in a container: `docker build -t progimage .`, then
#     docker run -p 127.0.0.1:8080:8080 -e PROGIMAGE_OPEN_UPLOADS=true -v progimage:/data progimage
# It listens on all addresses of its container, so it wants it said that whoever reaches it may upload and delete.

FROM python:3.13-slim-bookworm AS build
COPY --from=ghcr.io/astral-sh/uv:0.13.8 /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /app
# The dependencies change seldom, the code often: a layer of their own.
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-dev --no-install-project
COPY transforms transforms
COPY storage storage
COPY catalog catalog
COPY services services
COPY proxy proxy
RUN uv sync --frozen --no-dev --no-editable

FROM python:3.13-slim-bookworm
# glibc's allocator keeps what decoders free; with jemalloc the memory goes back (imgproxy #116, pyvips #292).
# `text` needs a font, and the image brings none.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libjemalloc2 fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/* \
    && ln -s "$(find /usr/lib -name libjemalloc.so.2)" /usr/local/lib/libjemalloc.so.2 \
    && useradd --system --uid 10001 --home-dir /data progimage \
    && install -d -o progimage -g progimage /data
COPY --from=build /app/.venv /app/.venv
ENV LD_PRELOAD=/usr/local/lib/libjemalloc.so.2 \
    PATH=/app/.venv/bin:$PATH \
    PROGIMAGE_DATA=/data \
    PYTHONUNBUFFERED=1
WORKDIR /data
VOLUME /data
USER 10001
EXPOSE 8080
# /livez needs no dependency: a container is not killed because a database is away.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/livez', timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["progimage", "serve", "--host", "0.0.0.0", "--port", "8080"]
