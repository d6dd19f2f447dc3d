# shellcheck shell=bash
# What the scripts share. Sourced after `set -euo pipefail`; leaves the shell in the project's root.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# Set but empty is a mistake of a caller's: the system's PostgreSQL is not what he meant.
[ -n "${PG_CONFIG-pg_config}" ] || { echo 'error: PG_CONFIG is empty' >&2; exit 1; }
: "${PG_CONFIG:=pg_config}"
export PG_CONFIG
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The major version of the PostgreSQL behind PG_CONFIG, which is also the Cargo feature's number.
pg_major() { "$PG_CONFIG" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/'; }

# The extension's version, from the one place that states it.
extension_version() { sed -n "s/^default_version *= *'\(.*\)'/\1/p" databunker.control; }

# PostgreSQL refuses to run as root: root becomes `postgres`, anyone else stays himself.
as_server_user() {
  if [ "$(id -u)" -eq 0 ]; then
    setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
  else
    "$@"
  fi
}

# Under sudo, compile as the user who called it: his toolchain, and no root-owned files in target/.
as_invoker() {
  if [ "$(id -u)" -eq 0 ] && [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then
    local home
    home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
    runuser -u "$SUDO_USER" -- env HOME="$home" PATH="$home/.cargo/bin:$PATH" "$@"
  else
    "$@"
  fi
}
