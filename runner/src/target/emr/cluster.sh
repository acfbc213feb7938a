#!/bin/bash
# Installs camonica-cluster on a node and keeps a worker running there: the bootstrap action of EMR, and the same by hand on
# EC2. Places are s3://, https://, file:// or a path; what is secret is not taken from https://.
#
#   --program PLACE        the static program
#   --sha256 SUM           its checksum: another program is not installed
#   --certificates PLACE   zip with privateKey.pem, certificateChain.pem and trustedCertificates.pem
#   --kms-key KEY          what the keys of jobs come from: a key of KMS,
#   --secret PLACE         or a file with the cluster's secret
#   --step PLACE           the script of EMR's steps
#   --driver ADDRESS       HOST:PORT of the driver [emr: the master of this node's cluster]
#   --port PORT            the driver's port, with --driver emr
#   --tls-name NAME        name in the certificates of all nodes, if they have not their own
#   --host NAME            name of this node [hostname -f]
#   --master               a worker on the master, too
#   --user NAME            who runs the worker [who runs this script; for root: camonica, who is made if need be]
#   -- WORDS               more options of the worker
#
# With systemd the worker is the service camonica-worker. Where there is none (EMR before 5.30: Amazon Linux 1) a script in
# a session of its own starts it again whenever it ends; it does not outlive a reboot, which EMR's nodes do not have.
set -eu
set -o pipefail
umask 077

fail() {
  echo "camonica: $*" >&2
  exit 1
}

root=${CAMONICA_ROOT:-} # for tests
program='' sum='' certificates='' kms_key='' secret='' step='' driver=emr port='' tls_name='' host='' master='' user=''
while [ $# -gt 0 ]; do
  option=$1
  shift
  case $option in
    --) break ;;
    --master) master=yes && continue ;;
  esac
  [ $# -gt 0 ] || fail "$option: a value is missing"
  case $option in
    --program) program=$1 ;;
    --sha256) sum=$1 ;;
    --certificates) certificates=$1 ;;
    --kms-key) kms_key=$1 ;;
    --secret) secret=$1 ;;
    --step) step=$1 ;;
    --driver) driver=$1 ;;
    --port) port=$1 ;;
    --tls-name) tls_name=$1 ;;
    --host) host=$1 ;;
    --user) user=$1 ;;
    *) fail "unknown option $option" ;;
  esac
  shift
done
more=("$@")
[ -n "$program" ] || fail "--program is missing"
[ -n "$certificates" ] || fail "--certificates is missing"
case $sum in
  *[!0-9a-f]*) fail "--sha256: expected 64 digits of 0-9a-f" ;;
esac
[ ${#sum} -eq 64 ] || fail "--sha256: expected 64 digits of 0-9a-f"
[ -n "$kms_key" ] || [ -n "$secret" ] || fail "give --kms-key or --secret"
[ -z "$kms_key" ] || [ -z "$secret" ] || fail "give one of --kms-key and --secret"

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

if [ -z "$user" ]; then
  user=$(id -un)
  if [ "$user" = root ]; then
    user=camonica
    id camonica >/dev/null 2>&1 ||
      useradd --system --shell /sbin/nologin --home-dir /opt/camonica --no-create-home camonica
  fi
fi
if [ -n "${CAMONICA_HOME:-}" ]; then
  home=$CAMONICA_HOME
elif [ -d /home/hadoop ]; then
  home=/home/hadoop/camonica
else
  home=/opt/camonica
fi
group=$(id -gn "$user")
as_root install -d -m 755 -o "$user" -g "$group" "$home"
as_root install -d -m 700 -o "$user" -g "$group" "$home/cluster"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Nothing is left behind by a download that broke off, and a role that is not there yet (a fresh machine) gets some time.
fetch() {
  local try
  case $1 in
    s3://*)
      for try in 1 2 3 4 5; do
        aws s3 cp --only-show-errors "$1" "$2" && return
        [ "$try" -eq 5 ] || sleep "$try"
      done
      fail "$1 cannot be fetched"
      ;;
    https://*) curl --fail --silent --show-error --location --proto '=https' --retry 5 --output "$2" "$1" || fail "$1 cannot be fetched" ;;
    file://*) cp "${1#file://}" "$2" ;;
    *://*) fail "$1: expected s3://, https://, file:// or a path" ;;
    *) cp "$1" "$2" ;;
  esac
}

fetch_secret() {
  case $1 in
    https://*) fail "$1: secrets are not taken from https://" ;;
  esac
  fetch "$1" "$2"
}

# Renamed, so that a worker that runs keeps the program it has.
place() {
  as_root install -m "$1" -o "$user" -g "$group" "$2" "$3.new"
  as_root mv -f "$3.new" "$3"
}

fetch "$program" "$work/program"
if ! echo "$sum  $work/program" | sha256sum -c - >/dev/null 2>&1; then
  fail "$program: the checksum is $(sha256sum <"$work/program" | cut -d' ' -f1), and not $sum: it is not installed"
fi
place 755 "$work/program" "$home/camonica-cluster"
if [ -n "$step" ]; then
  fetch "$step" "$work/step"
  place 755 "$work/step" "$home/step"
fi
fetch_secret "$certificates" "$work/certificates"
place 600 "$work/certificates" "$home/cluster/certificates.zip"
if [ -n "$secret" ]; then
  fetch_secret "$secret" "$work/secret"
  place 600 "$work/secret" "$home/cluster/secret"
fi

# A NAT gateway drops connections that are idle for 350 seconds: a loader waits longer for its database.
as_root sysctl -q -w net.ipv4.tcp_keepalive_time=200 net.ipv4.tcp_keepalive_intvl=200 net.ipv4.tcp_keepalive_probes=5 ||
  echo "keep-alive times could not be set" >&2

info=$root/mnt/var/lib/info
if [ -z "$master" ] && [ -f "$info/instance.json" ] &&
  grep -Eq '"isMaster"[[:space:]]*:[[:space:]]*true' "$info/instance.json"; then
  echo "camonica: installed; the master runs no worker"
  exit 0
fi

# The disks for data: the worker finds our folders there.
cache=/var/tmp/camonica
for disk in "$root"/mnt "$root"/mnt[0-9] "$root"/mnt[0-9][0-9]; do
  if [ -d "$disk" ] && { [ -d "$info" ] || mountpoint -q "$disk"; }; then
    as_root install -d -m 700 -o "$user" -g "$group" "$disk/camonica"
    cache=$disk/camonica/cache
  fi
done

[ -n "$host" ] || host=$(hostname -f 2>/dev/null) || host=$(hostname)
command=("$home/camonica-cluster" worker --driver "$driver" --host "$host" --tls-zip "$home/cluster/certificates.zip")
[ -z "$port" ] || command+=(--driver-port "$port")
[ -z "$tls_name" ] || command+=(--tls-name "$tls_name")
if [ -n "$kms_key" ]; then
  command+=(--kms-key "$kms_key")
else
  command+=(--cluster-secret "$home/cluster/secret")
fi
[ ${#more[@]} -eq 0 ] || command+=("${more[@]}")
for word in "${command[@]}" "$user" "$cache"; do
  case $word in
    '' | *[!A-Za-z0-9._:/,=@+~-]*) fail "'$word': only letters, digits and . _ : / , = @ + ~ - can stand in a service" ;;
  esac
done

if [ -d "$root/run/systemd/system" ]; then
  cat >"$work/unit" <<UNIT
[Unit]
Description=Camonica worker
Wants=network-online.target
After=network-online.target

[Service]
User=$user
WorkingDirectory=$home
Environment=XDG_CACHE_HOME=$cache
ExecStart=${command[*]}
Restart=always
RestartSec=5
TimeoutStopSec=30
LimitNOFILE=65536
LimitCORE=0
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=full
ProtectHome=read-only
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
UNIT
  as_root install -D -m 644 "$work/unit" "$root/etc/systemd/system/camonica-worker.service"
  as_root systemctl daemon-reload
  as_root systemctl enable camonica-worker.service
  as_root systemctl restart camonica-worker.service
  echo "camonica: the worker is the service camonica-worker"
else
  cat >"$work/run" <<RUN
#!/bin/bash
# Keeps a worker running: one of these at a time. Stopped by TERM.
exec 9>"$home/cluster/run.lock" >>"$home/cluster/worker.log" 2>&1
flock -w 60 9 || exit 1
echo "\$\$" >"$home/cluster/run.pid"
ulimit -c 0
ulimit -n 65536 2>/dev/null || ulimit -n "\$(ulimit -H -n)"
umask 077
export XDG_CACHE_HOME=$cache
child=
trap 'kill "\$child" 2>/dev/null; wait; exit 0' TERM INT
while :; do
  ${command[*]} 9>&- &
  child=\$!
  wait "\$child"
  sleep 5 9>&- &
  child=\$!
  wait "\$child"
done
RUN
  place 755 "$work/run" "$home/cluster/run"
  start=(setsid nohup "$home/cluster/run")
  if [ "$user" != "$(id -un)" ]; then
    start=(setsid nohup sudo -u "$user" "$home/cluster/run")
  fi
  # another version of the program or other options: the one before ends
  before=$(as_root cat "$home/cluster/run.pid" 2>/dev/null || true)
  if [ -n "$before" ] && as_root grep -qs cluster/run "/proc/$before/cmdline"; then
    as_root kill "$before"
  fi
  "${start[@]}" </dev/null >/dev/null 2>&1 &
  echo "camonica: without systemd, $home/cluster/run keeps the worker running"
fi
