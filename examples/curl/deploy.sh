#!/bin/sh
# A deployment by plain curl and jq against the sidecar's API, for a pipeline without the `turnout` command.
#   TURNOUT_API=http://127.0.0.1:8090 TURNOUT_TOKEN=... ./deploy.sh SERVICE RELEASE
# Ends as `turnout deploy` does: 0 live, 4 failed, 5 rolled back, 6 superseded or an operator is needed, 7 busy, 8 refused or
# unreachable, 9 still running after TURNOUT_PATIENCE seconds (an hour). The deployment, with its receipt, is left in receipt.json. To see every event as it happens: follow.sh, with the id that this one prints.
set -eu
service=$1
release=$2
: "${TURNOUT_API:?where the API listens, e.g. http://127.0.0.1:8090}" "${TURNOUT_TOKEN:?it stands in <state>/token}"

# The token goes in by a file descriptor: an argument would be seen by everybody who may list processes.
api() {
  printf 'header = "Authorization: Bearer %s"\n' "$TURNOUT_TOKEN" |
    curl --silent --show-error --fail-with-body --config - --header 'Content-Type: application/json' --header 'X-Turnout-By: pipeline' "$@"
}

code=0
accepted=$(api --data "{\"release\":\"$release\"}" "$TURNOUT_API/v1/services/$service/deployments") || code=$?
if [ "$code" -ne 0 ]; then
  printf '%s\n' "$accepted" >&2
  case $(printf '%s\n' "$accepted" | jq -r .code 2>/dev/null) in busy) exit 7 ;; *) exit 8 ;; esac
fi
id=$(printf '%s\n' "$accepted" | jq -r .id)
printf '%s\n' "$accepted" | jq -r '"deployment \(.id) of \(.release) to \(.color)"'

told=
tries=0
while [ "$tries" -lt "${TURNOUT_PATIENCE:-3600}" ]; do
  tries=$((tries + 1))
  # A sidecar that restarts goes on with its deployment: wait for it.
  if api "$TURNOUT_API/v1/deployments/$id" >receipt.json 2>/dev/null; then
    phase=$(jq -r .phase receipt.json)
    [ "$phase" = "$told" ] || jq -r '"\(.phase): \(.message)"' receipt.json
    told=$phase
    case $phase in
      live) exit 0 ;;
      failed) code=4 ;;
      rolled-back) code=5 ;;
      superseded | needs-operator) code=6 ;;
    esac
    [ "$code" -eq 0 ] || exit "$code"
  fi
  sleep 1
done
echo "deployment $id has not ended after $tries looks; it goes on" >&2
exit 9
