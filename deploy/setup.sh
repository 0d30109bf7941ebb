#!/usr/bin/env bash
# Make .venv hold exactly what requirements.txt pins, and this checkout; nothing to do while those are unchanged.
# PYTHON names the Python to build it with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log=.setup/setup.log
stamp=.venv/vitrine-setup

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The metadata of an editable install is fixed when it is made, so its sources belong to the stamp.
wanted() {
    pwd
    cat requirements.txt lib/vitrine/__init__.py
    sed '/^\[tool\.ruff/,$d' pyproject.toml
}

is_current() { [ -x .venv/bin/python ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(wanted)" ]; }

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
        [ -z "${PYTHON:-}" ] || die "PYTHON=$PYTHON is no Python 3.11 or newer: name one, or unset it"
    done
    die "no Python 3.11 or newer: apt-get install python3 python3-venv, or set PYTHON=/path/to/python3"
}

check_java() {
    local java=java version
    [ -z "${JAVA_HOME:-}" ] || java=$JAVA_HOME/bin/java
    version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1) || true
    [ "${version:-0}" -ge 17 ] ||
        die "no Java 17 or newer (found ${version:-none}): apt-get install openjdk-17-jre-headless, or set JAVA_HOME"
}

# Run a command into the log; where it fails, show the log's end without the addresses of registries.
logged() {
    local started=$SECONDS pid
    "$@" >>"$log" 2>&1 </dev/null &
    pid=$!
    while [ -t 2 ] && kill -0 "$pid" 2>/dev/null; do
        printf '\rsetup: %d s ' $((SECONDS - started)) >&2
        sleep 1
    done
    [ ! -t 2 ] || printf '\r' >&2
    wait "$pid" || {
        tail -n 12 "$log" | sed -E "s#[a-z+]+://[^ )'\"]*#(registry)#g; s#host='[^']*'#host=(registry)#g" >&2
        die "failed: the whole log is $log; a second 'make setup' goes on from here"
    }
}

# The scripts in .venv name their place: a checkout that was moved, or copied with its .venv, needs a new one.
is_usable() {
    .venv/bin/python -c '' 2>/dev/null || return 1
    [ -x .venv/bin/uv ] || [ -x .venv/bin/pip ] || return 1
    [ ! -f "$stamp" ] || [ "$(head -n 1 "$stamp")" = "$PWD" ]
}

main() {
    ! is_current || return 0
    mkdir -p .setup
    if command -v flock >/dev/null; then
        exec 9>.setup/lock
        flock -n 9 || { say "another set-up of this checkout is running, waiting for it"; flock 9; }
        ! is_current || return 0
    fi
    local python started=$SECONDS
    python=$(find_python)
    check_java
    : >"$log"
    if ! is_usable; then
        say "making .venv with $python"
        logged "$python" -m venv --clear .venv
    fi
    rm -f "$stamp"
    export UV_NO_PROGRESS=1
    [ -x .venv/bin/uv ] || logged .venv/bin/python -m pip install --quiet "$(grep '^uv==' requirements.txt)"
    say "installing $(grep -c == requirements.txt) packages into .venv (about 2 minutes and 6.6 GB the first time)"
    logged .venv/bin/uv pip sync --python .venv/bin/python requirements.txt
    logged .venv/bin/uv pip install --python .venv/bin/python --no-deps --no-build-isolation --editable .
    wanted >"$stamp"
    say "done in $((SECONDS - started)) s"
}

main
