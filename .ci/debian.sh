# shellcheck shell=bash
# Functions the scripts of this folder share: root, Debian packages, and a cache for what was downloaded. To be sourced.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
  echo ".ci/$(basename "$0"): $*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null; }

# Starts the calling script again as root, with the PATH of now: sudo's own may lack node. Returns at once for root.
as_root() {
  local may
  [ "$(id -u)" -ne 0 ] || return 0
  have sudo || fail "only root can do that: neither root nor sudo here"
  # With a terminal sudo may ask for the password, without one it must not hang.
  if [ -t 0 ]; then may=(sudo -v); else may=(sudo -n true); fi
  "${may[@]}" || fail "only root can do that: sudo refuses"
  exec sudo env "PATH=$PATH" "$(realpath "$0")"
}

# --- The machine's own packages

policy=/usr/sbin/policy-rc.d
saved=.before-turnout-tests

# From here to allow_services no package may start a service, whatever the machine says otherwise. One script at a time.
deny_services() {
  exec 8>/run/turnout-packages.lock
  flock 8
  allow_services
  if [ -e "$policy" ]; then mv "$policy" "$policy$saved"; fi
  printf '#!/bin/sh\n# turnout-tests\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}

# Whether a run was killed before it came to allow_services, or another one is at it: programs may be there that are not set up.
services_denied() { [ -e "$policy$saved" ] || grep -qs turnout-tests "$policy"; }

# Also what an earlier run left that was killed in the middle.
allow_services() {
  if [ -e "$policy$saved" ]; then mv -f "$policy$saved" "$policy"; fi
  if grep -qs turnout-tests "$policy"; then rm -f "$policy"; fi
}

apt_update() {
  local said begun=$SECONDS
  # Where a run was killed while it installed, apt-get refuses until this is done. That run's dpkg may live and hold the lock,
  # for which dpkg itself does not wait.
  until said=$(LC_ALL=C DEBIAN_FRONTEND=noninteractive dpkg --configure -a 2>&1 </dev/null); do
    if [[ $said = *lock* ]] && [ $((SECONDS - begun)) -lt 120 ]; then
      sleep 1
    else
      echo "$said" >&2
      apt_install --fix-broken
      break
    fi
  done
  apt-get update -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 -o Dpkg::Options::=--force-confold "$@"
}

# --- Packages that are not installed, only unpacked somewhere

# The same folder as build/nginx.js takes.
cache_folder() {
  local folder=${TURNOUT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/turnout}
  mkdir -p "$folder"
  realpath "$folder"
}

# Downloads packages of a Debian suite with everything they need, as if nothing were installed, and puts the paths of the
# .deb files into the array `debs`. No root needed, and the system's apt is left as it is: the archive, its key and the proxies
# are the machine's, the rest is a folder in the cache. What is there already is not downloaded again; where no archive can be
# reached, what an earlier run has downloaded will do.
#   fetch_debs SUITE PACKAGE...
fetch_debs() {
  local suite=$1 architecture home source solved='' fetched='' reason='' no_archive=''
  shift
  have apt-get || fail "this machine has no apt-get to download packages with"
  have node || fail "node is needed to read apt's sources, and was not found on PATH"
  architecture=$(dpkg --print-architecture)
  home=$(cache_folder)/debian/$suite-$architecture
  mkdir -p "$home"/{archives,lists}/partial "$home"/{state,cache,log,sources}
  : >"$home/status"
  rm -f "$home/sources"/*
  # shellcheck disable=SC2016
  node --input-type=module -e '
    const [build, folder, suite, architecture] = process.argv.slice(1);
    const { writeFileSync } = await import("node:fs");
    const { debianMirrors, sourceText } = await import(`${build}/apt-sources.js`);
    debianMirrors(architecture).slice(0, 3).forEach((mirror, i) => {
      writeFileSync(`${folder}/${i}.sources`, sourceText(mirror, suite, architecture));
    });
  ' "$here/../build" "$home/sources" "$suite" "$architecture"

  for source in "$home"/sources/*.sources; do
    [ -e "$source" ] || fail "no Debian archive is named in /etc/apt/sources.list or /etc/apt/sources.list.d"
    private_apt_conf "$home" "$source" "$architecture" >"$home/apt.conf"
    if no_archive=$(private_apt "$home" update 2>&1); then no_archive=''; fi
    # The solver's answer is also the list of files: the folder may hold more than these.
    if ! solved=$(private_apt "$home" install --simulate --no-install-recommends "$@" 2>&1) ||
      ! fetched=$(private_apt "$home" install --yes --download-only --no-install-recommends "$@" 2>&1); then
      reason=${reason:-${no_archive:-${fetched:-$solved}}}
      continue
    fi
    mapfile -t debs < <(sed -nE 's/^Inst ([^ ]+) \(([^ ]+) .*\[([a-z0-9]+)\]\).*/\1_\2_\3.deb/p' <<<"$solved" |
      sed "s|:|%3a|g; s|^|$home/archives/|")
    [ ${#debs[@]} -gt 0 ] || fail "apt-get would install nothing for $*"
    return 0
  done
  fail "apt-get could not download $* from $suite: $(grep -E '^(E|Err)' <<<"$reason" | tail -n 3 || tail -n 3 <<<"$reason")"
}

private_apt() {
  local home=$1
  shift
  LC_ALL=C DEBIAN_FRONTEND=noninteractive timeout 600 apt-get -c "$home/apt.conf" -q "$@"
}

# As build/nginx-copy.js has it. Read after the machine's own settings, which stay in force where nothing is said here.
private_apt_conf() {
  cat <<CONF
Dir::Etc::SourceList "$2";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "$1/state";
Dir::State::Lists "$1/lists";
Dir::State::Status "$1/status";
Dir::Cache "$1/cache";
Dir::Cache::Archives "$1/archives";
Dir::Log "$1/log";
APT::Architecture "$3";
#clear APT::Architectures;
APT::Architectures { "$3"; };
APT::Default-Release "";
APT::Sandbox::User "$(id -un)";
APT::Update::Error-Mode "any";
APT::Keep-Downloaded-Packages "true";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
Acquire::Retries "2";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
CONF
}
