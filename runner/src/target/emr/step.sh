#!/bin/bash
# Runs Camonica's engine as a step.
# Arguments: folder of documents, URI for the engine's log, encryption of that (none, AES256, aws:kms:KEY),
# then the words of the engine's command line; documents:NAME stands for a document. `driver` runs on the whole cluster.
set -uo pipefail
umask 077
documents=$1
log=$2
encryption=$3
shift 3
home=${CAMONICA_HOME:-/home/hadoop/camonica}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
case $encryption in
  none) put=(--only-show-errors) ;;
  aws:kms:*) put=(--only-show-errors --sse aws:kms --sse-kms-key-id "${encryption#aws:kms:}") ;;
  *) put=(--only-show-errors --sse "$encryption") ;;
esac
aws s3 cp --only-show-errors --recursive "$documents" "$work/documents/" || exit 1
# the large disks
if [ -z "${TMPDIR:-}" ] && [ -d /mnt/tmp ] && [ -w /mnt/tmp ]; then
  export TMPDIR=/mnt/tmp
fi
words=()
for word in "$@"; do
  case $word in
    documents:*) words+=("$work/documents/${word#documents:}") ;;
    *) words+=("$word") ;;
  esac
done
program=camonica-engine
if [ "${1:-}" = driver ]; then
  program=camonica-cluster
fi
"$home/$program" "${words[@]}" 2>&1 | tee "$work/log"
code=${PIPESTATUS[0]}
aws s3 cp "${put[@]}" "$work/log" "$log" || echo "the engine's log could not be kept" >&2
exit "$code"
