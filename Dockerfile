# Two stages: the first has pip and builds, the second has Python, the packages of requirements.txt, and the bank.

FROM docker.io/library/python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# The packages first: they change less often than the source, so this layer is kept between builds.
RUN python -m venv --without-pip /opt/creditbank
COPY requirements.txt ./
RUN python -m pip --python /opt/creditbank/bin/python install --require-hashes --only-binary :all: -r requirements.txt

# The tools that build the wheel stay in this stage.
COPY requirements-build.txt ./
RUN python -m venv /opt/tools \
    && /opt/tools/bin/python -m pip install --require-hashes --only-binary :all: -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY migrations migrations
RUN /opt/tools/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && python -m pip --python /opt/creditbank/bin/python install --no-deps --no-index /dist/*.whl


FROM docker.io/library/python:3.11-slim-bookworm

ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Learning Credit Bank" \
      org.opencontainers.image.description="Achievements in, explained credits and transcripts out." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"

# Nothing in the finished image installs packages. The account has no shell; its number is fixed so that volumes keep
# their owner.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3.11/ensurepip \
        /usr/local/lib/python3.11/site-packages/pip* \
        /usr/local/lib/python3.11/site-packages/setuptools* \
        /usr/local/lib/python3.11/site-packages/wheel* \
    && groupadd --gid 10001 creditbank \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin creditbank \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data
COPY --from=build /opt/creditbank /opt/creditbank

# The root file system may be mounted read-only: only /data is written.
ENV CREDITBANK_DATABASE_URL=sqlite+aiosqlite:////data/creditbank.sqlite \
    PATH=/opt/creditbank/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
VOLUME /data
WORKDIR /data
USER 10001:10001
EXPOSE 8000
# Uvicorn finishes the requests it has begun when it is told to terminate.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["creditbank", "healthcheck"]
CMD ["creditbank", "serve", "--host", "0.0.0.0"]
