#!/bin/bash
# A service of the machine itself. Jobs must not reach the instance metadata, which hands out the machine's own role; yet
# it alone knows when a Spot machine goes. So `deny` keeps the jobs' user from it (AWS Batch puts containers into the
# machine's own network, where a hop limit stops nobody), and `watch` writes down what it announces for them to read.
# May be set: METADATA (an address), NOTICES (a folder), EVERY (seconds), JOBS_USER (a number).
set -uo pipefail
metadata=${METADATA:-http://169.254.169.254}
folder=${NOTICES:-/run/lammps-jobs}
every=${EVERY:-5}
user=${JOBS_USER:-1000}

say() { echo "lammps-jobs: $*" >&2; }

deny() {
  local rule=(OUTPUT --destination "${metadata#http://}" --match owner --uid-owner "$user" --jump REJECT)
  iptables --wait 10 --check "${rule[@]}" 2>/dev/null || iptables --wait 10 --insert "${rule[@]}"
}

token=""
# What the metadata says about $1: 200 for an announcement, which is in $2 then, 404 for none, 000 where nobody answers.
ask() {
  [ -n "$token" ] || token=$(curl --silent --fail --max-time 2 --request PUT \
    --header "X-aws-ec2-metadata-token-ttl-seconds: 21600" "$metadata/latest/api/token")
  curl --silent --max-time 2 --output "$2" --write-out '%{http_code}' --header "X-aws-ec2-metadata-token: $token" \
    "$metadata/latest/meta-data/$1"
}

watch() {
  local what file code
  mkdir -p "$folder"
  chmod 755 "$folder"
  while :; do
    for what in spot/instance-action events/recommendations/rebalance; do
      file=$folder/${what##*/}
      code=$(ask "$what" "$folder/.said")
      case $code in
        200) [ -e "$file" ] || mv "$folder/.said" "$file" ;;
        401) token="" ;;
      esac
    done
    case $code in 200 | 404) touch "$folder/watched" ;; esac # jobs ask for themselves where this gets old
    sleep "$every"
  done
}

case ${1:-} in
  deny | watch) "$1" ;;
  *) say "usage: $0 deny|watch"; exit 2 ;;
esac
