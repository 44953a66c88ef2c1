# Two stages: the native zstd binding is compiled in the first, and only what runs is in the second.
FROM node:22-bookworm-slim AS build
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

FROM node:22-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY package.json LICENSE README.md ./
COPY docs ./docs
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# A new volume takes over the owner of the directory that it is mounted on.
RUN mkdir /repository /spool && chown node:node /repository /spool
USER node
VOLUME ["/repository", "/spool"]
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["--help"]
