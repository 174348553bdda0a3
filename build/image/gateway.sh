#!/bin/sh
# Starts nginx in the gateway's container with what the sidecar has rendered, as process 1.
set -eu
gateway=/var/lib/turnout/gateway

# Only before the very first start: later there is always a last configuration, with or without a sidecar.
told=
while [ ! -e "$gateway/conf/nginx.conf" ]; do
  [ -n "$told" ] || echo "waiting for the sidecar to render $gateway/conf" >&2
  told=1
  # In the background, so that a signal ends the wait at once.
  sleep 0.2 &
  wait $!
done

# What a killed nginx has left; it cannot bind a socket that is there. Nobody else listens on them: the folder is this container's.
rm -f "$gateway"/*.sock "$gateway/nginx.pid"

# What nginx writes shall be in `docker logs`, but nginx must not write there itself: while a Docker daemon with live-restore is
# away nobody reads its output, and after 64 KiB every worker would wait.
: >>"$gateway/error.log"
tail -n 0 -F "$gateway/error.log" >&2 &

ulimit -n "$(ulimit -H -n)" 2>/dev/null || true
exec nginx -g 'daemon off;' -p "$gateway/" -e "$gateway/error.log" -c "$gateway/conf/nginx.conf"
