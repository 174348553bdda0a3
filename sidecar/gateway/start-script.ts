/** A word for sh, whatever is in it. */
function word(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * `<state>/gateway/start`: the one way to start the gateway, for the sidecar and for people. It succeeds when nginx
 * listens. A gateway that runs is left alone; workers whose master was killed are ended first, and sockets that nobody
 * listens on are removed, because nginx cannot bind them.
 */
export function startScript(folder: string, command: string[]): string {
  return `#!/bin/sh
# Starts the gateway. Rendered by Turnout; may be run by hand, also while the sidecar is dead.
set -u
gateway=${word(folder)}

# Is process $1 one of this gateway? All of its processes have its error log open.
ours() {
  ls -l "/proc/$1/fd" 2>/dev/null | grep -qF -- "-> $gateway/error.log"
}

# The living processes of the gateway whose master was $1: nginx leads a process group of its own.
members() {
  for stat in /proc/[0-9]*/stat; do
    { read -r line <"$stat"; } 2>/dev/null || continue
    pid=\${line%% *}
    set -- "$1" \${line##*) }
    [ "$4" = "$1" ] && [ "$2" != Z ] && ours "$pid" && echo "$pid"
  done
}

listening() {
  grep -qF -- " $1" /proc/net/unix
}

master=$(cat "$gateway/nginx.pid" 2>/dev/null || true)
case $master in
  '' | *[!0-9]*) ;;
  *)
    left=$(members "$master")
    if echo "$left" | grep -qx "$master"; then
      echo "the gateway runs already: its master is process $master" >&2
      exit 0
    fi
    # Asked first, so that requests in flight can end; killed after 2 s.
    for pid in $left; do kill -QUIT "$pid" 2>/dev/null; done
    tries=0
    while [ -n "$left" ] && [ $tries -lt 20 ]; do
      sleep 0.1
      tries=$((tries + 1))
      left=$(for pid in $left; do kill -0 "$pid" 2>/dev/null && echo "$pid"; done)
    done
    for pid in $left; do kill -KILL "$pid" 2>/dev/null; done
    ;;
esac

for socket in "$gateway"/*.sock; do
  [ ! -e "$socket" ] || listening "$socket" || rm -f "$socket"
done

# As many connections as the machine allows; the soft limit of a login shell is often 1,024.
ulimit -n "$(ulimit -H -n)" 2>/dev/null || true

exec ${command.map(word).join(' ')} -p "$gateway/" -e "$gateway/error.log" -c "$gateway/conf/nginx.conf"
`;
}
