#!/bin/sh
# Makes random secrets for docker-compose.yml, in .secrets/ or in the directory that is given. It changes none that is there.
set -eu
umask 077
directory=${1:-.secrets}
mkdir -p "$directory"
# Only you get into the directory. The files are readable, because in the containers other users read them.
umask 022
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
# Reads what it writes from its input.
put() { if [ -e "$directory/$1" ]; then cat >/dev/null; else cat >"$directory/$1"; fi; }

if [ ! -e "$directory/redis_url" ]; then
  redis=$(random)
  printf 'requirepass %s\nsave ""\nappendonly yes\ndir /data\nmaxmemory 64mb\nmaxmemory-policy noeviction\nbind * -::*\n' "$redis" | put redis_conf
  printf 'redis://:%s@redis:6379' "$redis" | put redis_url
fi
if [ ! -e "$directory/s3_identities" ]; then
  key=$(random) secret=$(random)
  printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$key" "$secret" | put s3_credentials
  printf '{"identities":[{"name":"thinkback","credentials":[{"accessKey":"%s","secretKey":"%s"}],' "$key" "$secret" \
    | { cat; printf '"actions":["Admin","Read","Write","List"]}]}\n'; } | put s3_identities
fi
random | put rethinkdb_password
random | put grafana_password
