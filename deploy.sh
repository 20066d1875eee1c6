#!/usr/bin/env bash
# Put this checkout on the study server: build wheels here, copy them with scp, install them there
# without internet, and switch over only when the new release answers. The old one stays beside it.
set -euo pipefail

usage() {
    cat <<'HELP'
usage: ./deploy.sh [--port N] [--identity FILE] USER@HOST:DIRECTORY [STUDY.toml ...]
       ./deploy.sh [--port N] [--identity FILE] --rollback USER@HOST:DIRECTORY

Builds wheels of this checkout and of what it needs, copies them and the study files to DIRECTORY
on the server, installs them into a new release beside the running one, checks every study file
with the new release, and only then points DIRECTORY/current at it. Before that, what is there is
saved to DIRECTORY/backups/TIME.tar.gz (study files, crontab, list of packages; never .env).
Nothing on the server is deleted but releases and backups older than the last ten.

  DIRECTORY/current/bin/redcap-jobs   what the crontab calls
  DIRECTORY/studies/*.toml            study files
  DIRECTORY/.env                      credentials; written by hand on the server, mode 600

Passwords: by SSH key or agent; or with sshpass when SSHPASS is set in the environment
(never on the command line, where ps would show it).
The server needs Python 3.11 or newer of the same version as here, and no internet.
HELP
}

fail() { printf 'deploy.sh: %s\n' "$*" >&2; exit 2; }

port=22 rollback=no
options=(-o BatchMode=no -o ConnectTimeout=20)
while [ $# -gt 0 ]; do
    case "$1" in
        -h|--help) usage; exit 0 ;;
        --port) port=${2:?--port needs a number}; shift 2 ;;
        --identity) options+=(-i "${2:?--identity needs a file}"); shift 2 ;;
        --rollback) rollback=yes; shift ;;
        -*) fail "unknown option $1; see ./deploy.sh --help" ;;
        *) break ;;
    esac
done
[ $# -ge 1 ] || { usage >&2; exit 2; }
target=$1; shift
case "$target" in
    ?*@?*:/?*) ;;
    *) fail "$target: expected USER@HOST:/ABSOLUTE/DIRECTORY" ;;
esac
host=${target%%:*} directory=${target#*:}
[[ $directory =~ ^/[A-Za-z0-9._/-]+$ ]] || fail "$directory: letters, digits, . _ - and / only"

through=()
if [ -n "${SSHPASS:-}" ]; then
    command -v sshpass >/dev/null || fail "SSHPASS is set, but sshpass is not installed"
    through=(sshpass -e)
fi
remote() { "${through[@]}" ssh -p "$port" "${options[@]}" "$host" "$@"; }
copy() { "${through[@]}" scp -q -P "$port" "${options[@]}" "$@"; }

if [ "$rollback" = yes ]; then
    remote "DIRECTORY='$directory' bash -s" <<'REMOTE'
set -euo pipefail
cd "$DIRECTORY"
now=$(basename "$(readlink current)")
before=$(ls -1 releases | sort | grep -v "^$now\$" | awk -v now="$now" '$0 < now' | tail -n 1)
[ -n "$before" ] || { echo "no release older than $now; nothing changed" >&2; exit 1; }
ln -sfn "releases/$before" current.next && mv -T current.next current
echo "rolled back from $now to $before"
REMOTE
    exit
fi

for study in "$@"; do
    [ -f "$study" ] || fail "$study: no such study file"
done
cd "$(dirname "${BASH_SOURCE[0]}")"
[ -z "$(git status --porcelain 2>/dev/null)" ] || fail "the checkout has uncommitted changes; commit them first"
commit=$(git rev-parse --short HEAD)
stamp=$(date -u +%Y%m%dT%H%M%SZ)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "building wheels of $commit"
python3 -m pip wheel --quiet --wheel-dir "$work/wheels" ".[postgres]"
python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
echo "copying to $host:$directory/incoming/$stamp"
remote "umask 077; mkdir -p '$directory/incoming/$stamp/studies' '$directory/releases' '$directory/backups' '$directory/studies'"
copy -r "$work/wheels" "$host:$directory/incoming/$stamp/"
[ $# -eq 0 ] || copy "$@" "$host:$directory/incoming/$stamp/studies/"

remote "DIRECTORY='$directory' STAMP='$stamp' COMMIT='$commit' PYTHON='$python' bash -s" <<'REMOTE'
set -euo pipefail
umask 077
cd "$DIRECTORY"
incoming=incoming/$STAMP release=releases/$STAMP
finish() { rm -rf "$incoming"; [ "${switched:-no}" = yes ] || rm -rf "$release"; }
trap finish EXIT
interpreter=$(command -v "python$PYTHON" || command -v python3) || { echo "no Python on the server" >&2; exit 1; }
"$interpreter" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$PYTHON')" \
    || { echo "the server's Python is not $PYTHON, for which the wheels were built" >&2; exit 1; }

saved=$(mktemp -d)
cp -r studies "$saved/studies"
crontab -l > "$saved/crontab" 2>/dev/null || true
[ ! -x current/bin/python ] || current/bin/python -m pip freeze > "$saved/packages.txt"
readlink current > "$saved/release" 2>/dev/null || true
tar -czf "backups/$STAMP.tar.gz" -C "$saved" .
rm -rf "$saved"
echo "backup: $DIRECTORY/backups/$STAMP.tar.gz"

"$interpreter" -m venv "$release"
"$release/bin/python" -m pip install --quiet --no-index --find-links "$incoming/wheels" "redcap-jobs[postgres]"
echo "$COMMIT" > "$release/COMMIT"
for study in "$incoming"/studies/*.toml studies/*.toml; do
    [ -f "$study" ] || continue
    [ "$study" != "studies/$(basename "$study")" ] || [ ! -f "$incoming/studies/$(basename "$study")" ] || continue
    "$release/bin/redcap-jobs" check "$study" >/dev/null || { echo "$(basename "$study"): refused by the new release; nothing was switched" >&2; exit 1; }
done
for study in "$incoming"/studies/*.toml; do
    [ ! -f "$study" ] || mv "$study" studies/
done
ln -sfn "$release" current.next && mv -T current.next current
switched=yes
for kept in releases backups; do
    ls -1 "$kept" | sort | head -n -10 | while read -r old; do rm -rf "${kept:?}/$old"; done
done
echo "deployed $COMMIT as $release; roll back with ./deploy.sh --rollback"
REMOTE
