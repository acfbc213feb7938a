#!/bin/bash
# Installs Camonica's engine on a node of an EMR cluster.
# Arguments: URI of the engine, its SHA-256, URI of the script that runs it.
set -euo pipefail
engine=$1
sum=$2
step=$3
home=${CAMONICA_HOME:-/home/hadoop/camonica}
mkdir -p "$home"
aws s3 cp --only-show-errors "$engine" "$home/camonica-engine"
echo "$sum  $home/camonica-engine" | sha256sum -c -
aws s3 cp --only-show-errors "$step" "$home/step"
chmod 755 "$home/camonica-engine" "$home/step"
# A NAT gateway drops connections that are idle for 350 seconds: a loader waits longer for its database.
sudo sysctl -w net.ipv4.tcp_keepalive_time=200 net.ipv4.tcp_keepalive_intvl=200 net.ipv4.tcp_keepalive_probes=5 ||
  echo "keep-alive times could not be set" >&2
