# Two stages: the native zstd binding is compiled in the first, and only what runs is in the second.
# Pinned by version; with a digest of your own: --build-arg NODE=node:22.23.2-bookworm-slim@sha256:…
# Debian, because the native part has no build for musl.
ARG NODE=node:22.23.2-bookworm-slim

FROM ${NODE} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 make g++ \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
# valibot may go with a TypeScript, which therefore counts as needed.
RUN npm run build && npm prune --omit=dev \
 && rm -r node_modules/typescript node_modules/@typescript node_modules/.bin/tsc

FROM ${NODE}
# tini is process 1, which passes signals on and reaps children: drills and maintenance are some. npm is not needed.
RUN apt-get update \
 && apt-get install -y --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* /usr/local/lib/node_modules /opt/yarn-* \
      /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Thinkback" \
      org.opencontainers.image.description="Continuous backup and point-in-time recovery for RethinkDB" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production
WORKDIR /app
COPY package.json LICENSE README.md ./
COPY docs ./docs
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# A new volume takes over the owner of the directory that it is mounted on.
RUN mkdir /repository /spool && chown 1000:1000 /repository /spool
# The user "node", as a number, so that runAsNonRoot can tell.
USER 1000:1000
VOLUME ["/repository", "/spool"]
ENTRYPOINT ["/usr/bin/tini", "--", "node", "/app/dist/cli/main.js"]
CMD ["--help"]
