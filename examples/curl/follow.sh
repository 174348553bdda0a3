#!/bin/sh
# Follows a deployment by its events alone (`curl -N`), until it ends; a broken stream is taken up where it broke.
#   TURNOUT_API=http://127.0.0.1:8090 TURNOUT_TOKEN=... ./follow.sh DEPLOYMENT
# Ends as `turnout deploy` does: 0 live, 4 failed, 5 rolled back, 6 superseded or an operator is needed; 9 when it has not ended after
# TURNOUT_PATIENCE connections (1000).
set -eu
id=$1
: "${TURNOUT_API:?where the API listens, e.g. http://127.0.0.1:8090}" "${TURNOUT_TOKEN:?it stands in <state>/token}"

folder=$(mktemp -d)
events=$folder/events
mkfifo "$events"
curl=
# A stream is quiet for long: curl would notice only at the next event that nobody reads it.
trap '[ -z "$curl" ] || kill "$curl" 2>/dev/null; rm -rf "$folder"' EXIT
# The token goes in by a file: an argument would be seen by everybody who may list processes.
(umask 077 && printf 'header = "Authorization: Bearer %s"\n' "$TURNOUT_TOKEN" >"$folder/config")

# From the begin of history: also a deployment that has ended already is told.
last=0
tries=0
while [ "$tries" -lt "${TURNOUT_PATIENCE:-1000}" ]; do
  tries=$((tries + 1))
  curl --silent --no-buffer --fail --config "$folder/config" --header "Last-Event-ID: $last" \
    "$TURNOUT_API/v1/events?deployment=$id" >"$events" &
  curl=$!
  while IFS= read -r line; do
    case $line in
      'id: '*) last=${line#id: } ;;
      'data: '*)
        event=${line#data: }
        case $event in *'"kind":"phase"'*) ;; *) continue ;; esac
        printf '%s\n' "$event" | jq -r '"\(.phase): \(.message)"'
        case $(printf '%s\n' "$event" | jq -r .phase) in
          live) exit 0 ;;
          failed) exit 4 ;;
          rolled-back) exit 5 ;;
          superseded | needs-operator) exit 6 ;;
        esac
        ;;
    esac
  done <"$events"
  wait "$curl" || true
  curl=
  sleep 1
done
echo "deployment $id has not ended; it goes on" >&2
exit 9
