#!/usr/bin/env bash
# Put this checkout on the study server: build wheels here, copy them through ssh, install them
# there without internet, and switch over only when the new release accepts every study file.
set -euo pipefail
umask 077

usage() {
    cat <<'HELP'
usage: ./deploy.sh [OPTION ...] USER@HOST:DIRECTORY [STUDY.toml ...]
       ./deploy.sh [OPTION ...] --rollback USER@HOST:DIRECTORY

Builds wheels of this checkout's last commit and of what it needs, copies them and the study
files to the server, installs them there into a new release beside the running one, and has the
new release check every study file. If one is refused, nothing is changed. Otherwise it saves what
is there to DIRECTORY/backups/TIME.tar.gz (study files, crontab, state, list of packages; never
.env), puts the new study files in place and points DIRECTORY/current at the new release.

  DIRECTORY/current/bin/redcap-jobs   what the crontab calls
  DIRECTORY/current/crontab.example   what to put into the crontab
  DIRECTORY/studies/*.toml            study files
  DIRECTORY/.env                      credentials; written by hand on the server, mode 600

Options:
  --rollback        go back to the release that ran before the current one. Study files, .env and
                    state stay as they are; it refuses where the older release refuses a study file
  --port N          the server's ssh port
  --identity FILE   the private key to use
  -o OPTION=VALUE   any other option of ssh, e.g. -o ProxyJump=gateway.example.edu

Log in by ssh key or agent; or, with sshpass installed, by the password in the environment variable
SSHPASS (never on the command line, where ps would show it). The server's host key must be known:
connect once by hand with ssh.

The server needs Linux, bash, no internet, and the same Python version (3.11 or newer, with venv)
and the same kind of processor as the python3 here. Nothing on it is deleted but releases and
backups older than the last ten; current and the one before it always stay.

Exit codes: 0 done, 1 nothing was switched, 2 usage.
HELP
}

fail() { printf 'deploy.sh: %s\n' "$*" >&2; exit 2; }
stop() { printf 'deploy.sh: %s\n' "$*" >&2; exit 1; }

rollback=no options=(-o ConnectTimeout=20)
while [ $# -gt 0 ]; do
    case "$1" in
        -h|--help) usage; exit 0 ;;
        --rollback) rollback=yes; shift; continue ;;
        --port|--identity|-o) [ -n "${2:-}" ] || fail "$1 needs a value; see ./deploy.sh --help" ;;
        -*) fail "unknown option $1; see ./deploy.sh --help" ;;
        *) break ;;
    esac
    case "$1" in
        --port) [[ $2 =~ ^[0-9]+$ ]] || fail "--port $2: a number is expected"; options+=(-p "$2") ;;
        --identity) [ -f "$2" ] || fail "--identity $2: no such file"; options+=(-i "$2") ;;
        -o) options+=(-o "$2") ;;
    esac
    shift 2
done
[ $# -ge 1 ] || { usage >&2; exit 2; }
target=$1; shift
[[ $target =~ ^[^@:/]+@[^/]+:/ ]] || fail "$target: expected USER@HOST:/ABSOLUTE/DIRECTORY"
host=${target%%:/*} directory=${target#*:/} directory=/${directory%/}
[[ $directory =~ ^/[A-Za-z0-9._/-]+$ ]] || fail "$directory: letters, digits, . _ - and / only"
[ "$rollback" = no ] || [ $# -eq 0 ] || fail "--rollback takes no study files"

password=${SSHPASS:-} through=()
unset SSHPASS
if [ -n "$password" ]; then
    command -v sshpass >/dev/null || fail "SSHPASS is set, but sshpass is not installed"
    through=(sshpass -e)
fi

# Run a command on the server; stdin and stdout are the command's own.
remote() {
    local code=0
    SSHPASS=$password "${through[@]}" ssh -T "${options[@]}" "$host" "$1" || code=$?
    [ ${#through[@]} -eq 0 ] || case "$code" in
        5) stop "$host refused the password in SSHPASS" ;;
        6) stop "$host's host key is not known here; connect once by hand: ssh $host" ;;
    esac
    [ "$code" -eq 0 ] || exit 1
}

if [ "$rollback" = yes ]; then
    remote "bash -s '$directory'" <<'REMOTE'
set -euo pipefail
umask 077
cd "$1"
exec 9> .deploying
flock -n 9 || { echo "another deploy is running in $1; nothing changed" >&2; exit 1; }
now=$(readlink current) || { echo "nothing was deployed to $1 yet" >&2; exit 1; }
before=$(cat "$now/PREVIOUS")
[ -n "$before" ] && [ -x "$before/bin/redcap-jobs" ] \
    || { echo "no release before $now; nothing changed" >&2; exit 1; }
for study in studies/*.toml; do
    [ -f "$study" ] || continue
    found=$("$before/bin/redcap-jobs" check "$study" 2>&1 </dev/null) || {
        printf '%s\n' "$found" >&2
        echo "$study is refused by $before; nothing changed. As it was when $before ran: "\
"cd $1 && tar -xzf backups/$(basename "$now").tar.gz ./$study" >&2
        exit 1
    }
done
ln -sfn "$before" current.next && mv -T current.next current
echo "rolled back from $now to $before ($(cat "$before/COMMIT")); study files and state are as they were"
REMOTE
    exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/send/studies" "$work/source"
for study in "$@"; do
    name=$(basename "$study")
    [ -f "$study" ] || fail "$study: no such study file"
    [[ $name =~ ^[A-Za-z0-9_][A-Za-z0-9._-]*\.toml$ ]] \
        || fail "$study: a study file's name is letters, digits, . _ - and ends in .toml"
    [ ! -e "$work/send/studies/$name" ] || fail "two study files are called $name"
    cp "$study" "$work/send/studies/$name"
done

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
changes=$(git -C "$here" status --porcelain) || stop "$here is no git checkout"
[ -z "$changes" ] || { printf '%s\n' "$changes" >&2; stop "the checkout has uncommitted changes; commit them first"; }
commit=$(git -C "$here" rev-parse --short HEAD)
stamp=$(date -u +%Y%m%dT%H%M%SZ)

# shellcheck disable=SC2016 # the server's shell expands these
look='
python=$(command -v "python$2" || command -v python3) || { echo "the server has no python3" >&2; exit 1; }
found=$("$python" -c "import platform, sys; print(\"%d.%d\" % sys.version_info[:2], platform.machine())")
[ "$found" = "$2 $3" ] || { echo "the server has Python $found, the wheels would be for $2 $3; run deploy.sh with that version as python3" >&2; exit 1; }
umask 077
mkdir -p "$1/incoming" "$1/releases" "$1/backups" "$1/studies"
echo "$python"'
read -r version machine < <(python3 -c 'import platform, sys; print("%d.%d" % sys.version_info[:2], platform.machine())')
python=$(remote "bash -s '$directory' '$version' '$machine'" <<<"$look")

echo "building wheels of $commit"
git -C "$here" archive HEAD | tar -x -C "$work/source"
pip=(python3 -m pip)
if ! python3 -m pip --version >/dev/null 2>&1; then
    python3 -m venv "$work/venv"
    pip=("$work/venv/bin/python" -m pip)
fi
"${pip[@]}" wheel --quiet --wheel-dir "$work/send/wheels" "$work/source[postgres]"
cp "$work/source/crontab.example" "$work/source/.env.example" "$work/send/"

cat > "$work/send/install" <<'REMOTE'
set -euo pipefail
umask 077
directory=$1 stamp=$2 commit=$3 python=$4
cd "$directory"
incoming=incoming/$stamp release=releases/$stamp switched=no mine=no
finish() {
    rm -rf "$incoming"
    [ "$mine" = no ] || [ "$switched" = yes ] || rm -rf "$release"
}
trap finish EXIT
exec 9> .deploying
flock -n 9 || { echo "another deploy is running in $directory; nothing was switched" >&2; exit 1; }
mkdir "$release"
mine=yes
find incoming -mindepth 1 -maxdepth 1 -mtime +1 -exec rm -rf {} +

"$python" -m venv "$release" \
    || { echo "no virtual environment could be made; on Debian: apt-get install python3-venv" >&2; exit 1; }
# Byte code is not compiled here but by the first run of each part: minutes less on a small machine.
env -i PATH="$PATH" HOME="$HOME" PIP_CONFIG_FILE=/dev/null "$release/bin/python" -m pip install \
    --quiet --disable-pip-version-check --no-compile --no-index --find-links "$incoming/wheels" \
    "redcap-jobs[postgres]" \
    || { echo "the wheels do not fit this server; build them on a machine like it" >&2; exit 1; }
cp "$incoming/crontab.example" "$incoming/.env.example" "$release/"
chmod -R go= "$release"
echo "$commit" > "$release/COMMIT"
previous=$(readlink current || true)
echo "$previous" > "$release/PREVIOUS"

mkdir "$incoming/all" "$incoming/saved"
for study in studies/*.toml "$incoming"/studies/*.toml; do
    [ ! -f "$study" ] || cp "$study" "$incoming/all/"
done
refused=()
for study in "$incoming"/all/*.toml; do
    [ -f "$study" ] || continue
    name=$(basename "$study")
    found=$(cd "$incoming/all" && "$directory/$release/bin/redcap-jobs" check "$name" 2>&1 </dev/null) \
        || { printf '%s\n' "$found" >&2; refused+=("$name"); }
done
[ ${#refused[@]} -eq 0 ] \
    || { echo "the new release refuses ${refused[*]}; nothing was switched" >&2; exit 1; }

cp -r studies "$incoming/saved/studies"
crontab -l > "$incoming/saved/crontab" 2>/dev/null || true
echo "$previous" > "$incoming/saved/release"
if [ -n "$previous" ]; then
    current/bin/python -m pip freeze --disable-pip-version-check > "$incoming/saved/packages.txt" || true
    if grep -qs '^REDCAP_JOBS_STATE_URL=.' .env; then
        current/bin/redcap-jobs state backup --env-file .env "$incoming/saved/state.db" </dev/null \
            || echo "the state was not saved (see above); going on" >&2
    fi
fi
tar -czf "backups/$stamp.tar.gz" -C "$incoming/saved" .
echo "backup: $directory/backups/$stamp.tar.gz"

for study in "$incoming"/studies/*.toml; do
    [ -f "$study" ] || continue
    name=$(basename "$study")
    if [ ! -f "studies/$name" ]; then echo "study file $name: new"
    elif cmp -s "$study" "studies/$name"; then echo "study file $name: as it was"
    else echo "study file $name: changed; the one before is in the backup"; fi
    mv -f "$study" studies/
done
ln -sfn "$release" current.next && mv -T current.next current
switched=yes
echo "deployed $commit as $directory/$release; to go back: ./deploy.sh --rollback"
[ -f .env ] || echo "next, on the server: cd $directory; cp current/.env.example .env; fill it in; "\
"current/bin/redcap-jobs state init --env-file .env; then the crontab, from current/crontab.example"

old() { find "$1" -mindepth 1 -maxdepth 1 -name "$2" | sort | head -n -10; }
old releases '[0-9]*' | while read -r each; do
    [ "$each" = "$release" ] || [ "$each" = "$previous" ] || rm -rf "$each"
done
old backups '[0-9]*T[0-9]*Z.tar.gz' | while read -r each; do rm -f "$each"; done
REMOTE

echo "copying to $host:$directory"
tar -c -C "$work/send" . | remote "cd '$directory/incoming' && mkdir '$stamp' \
&& tar -x --no-same-owner -C '$stamp' && bash '$stamp/install' '$directory' '$stamp' '$commit' '$python' </dev/null"
