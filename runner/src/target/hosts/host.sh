#!/bin/sh
# Runs Camonica's engine on a machine that was reached by SSH.
#   host.sh run LOCK PATIENCE NAME:BYTES,... WORD...
# Standard input: the documents, one behind the other; then a byte now and then, as long as the runner is there. When none
# comes for PATIENCE seconds, or the input ends, the engine and all that it started is stopped. A word `documents:NAME` stands
# for the file of a document. The documents lie in memory where there is such a file system, for their owner only, and are
# removed at the end. Exit codes: the engine's; 91 documents cut off, 92 an earlier attempt cannot be stopped,
# 93 this machine lacks something.
set -u
# `kill -s NAME -- -GROUP` is the one spelling that all shells take.
umask 077
[ "${1-}" = run ] || { echo "host.sh: unknown command" >&2; exit 93; }
shift
home=$(cd "$(dirname "$0")" && pwd) || exit 93
lock=$home/../lock-$1 patience=$2 documents=$3
shift 3
for program in flock setsid timeout mktemp head dd; do
  command -v "$program" >/dev/null 2>&1 || { echo "the machine has no program $program (packages util-linux, coreutils)" >&2; exit 93; }
done
base=${TMPDIR:-/tmp}
if [ -d /dev/shm ] && [ -w /dev/shm ]; then base=/dev/shm; fi
work=$(mktemp -d "$base/camonica-XXXXXXXX") || exit 93
trap 'rm -rf "$work"' EXIT
exec 3<&0 </dev/null
for document in $(echo "$documents" | tr , ' '); do
  file=$work/${document%%:*}
  bytes=${document#*:}
  head -c "$bytes" <&3 > "$file"
  [ "$(wc -c < "$file")" -eq "$bytes" ] || { echo "the documents were cut off on their way" >&2; exit 91; }
done
if [ -f "$work/environment" ]; then
  . "$work/environment"
  rm -f "$work/environment"
fi
count=$#
while [ "$count" -gt 0 ]; do
  word=$1
  shift
  case $word in documents:*) word=$work/${word#documents:} ;; esac
  set -- "$@" "$word"
  count=$((count - 1))
done
exec 9>>"$lock"
if ! flock -n 9; then
  old=$(cat "$lock.group" 2>/dev/null)
  echo "an earlier attempt is still at work here (process group ${old:-unknown}): it is stopped" >&2
  [ -n "$old" ] && kill -s TERM -- "-$old" 2>/dev/null
  if ! flock -w 20 9; then
    [ -n "$old" ] && kill -s KILL -- "-$old" 2>/dev/null
    flock -w 20 9 || { echo "an earlier attempt is still at work here and cannot be stopped" >&2; exit 92; }
  fi
fi
setsid "$home/camonica-engine" "$@" 3<&- &
engine=$!
echo "$engine" > "$lock.group"
trap 'kill -s TERM -- "-$engine" 2>/dev/null' HUP INT TERM
(
  while [ -n "$(timeout "$patience" dd bs=1 count=1 <&3)" ]; do :; done
  kill -s TERM -- "-$engine"
  sleep 10
  kill -s KILL -- "-$engine"
) 9>&- >/dev/null 2>&1 &
watcher=$!
wait "$engine"
code=$?
kill "$watcher" 2>/dev/null
rm -f "$lock.group"
exit "$code"
