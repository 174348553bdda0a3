#!/bin/sh
# `turnout` in the sidecar's image. Root only for as long as it takes to read which group may use Docker's socket; then user
# 10001 with that group and no capability, also for `docker compose exec sidecar turnout ...`.
set -eu

version=$(cat /etc/turnout-gateway-version 2>/dev/null || true)
export TURNOUT_GATEWAY_VERSION="$version"

if [ "$(id -u)" -ne 0 ]; then exec node /opt/turnout/dist/turnout.js "$@"; fi

# Without a socket (Docker over TCP) there is no group to take.
group=$(stat -L -c %g "$DOCKER_SOCKET" 2>/dev/null || echo 10001)
exec setpriv --reuid=10001 --regid=10001 --groups="10001,$group" --inh-caps=-all --bounding-set=-all --no-new-privs \
  node /opt/turnout/dist/turnout.js "$@"
