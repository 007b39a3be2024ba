#!/bin/bash
# What a machine does at its first start: the ECS agent's settings first, then the service that keeps jobs from the
# metadata and tells them of the machine's end, then room for their scratch. No step may keep a machine from coming up:
# what fails is said in the log, and scratch stays where it is, on the root volume.
# Set before it runs: INSTANCE_STORE (yes or no), STOP_TIMEOUT (as ECS takes it: 110s), NOTICES and JOBS_USER (as
# infra/notices.sh knows them), and a function notices_script that prints that script.
set -uo pipefail
root=${ROOT:-}
ecs_config=$root/etc/ecs/ecs.config
volumes=$root/var/lib/docker/volumes

say() { echo "lammps-jobs: $*" >&2; }

mkdir -p "$(dirname "$ecs_config")" "$volumes"
cat >>"$ecs_config" <<SETTINGS
ECS_CONTAINER_STOP_TIMEOUT=$STOP_TIMEOUT
ECS_ENABLE_SPOT_INSTANCE_DRAINING=true
ECS_IMAGE_PULL_BEHAVIOR=prefer-cached
ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=10m
SETTINGS

# Before the first job: the ECS agent waits for the end of this script.
service=lammps-jobs-notices
mkdir -p "$root/usr/local/sbin" "$root/etc/systemd/system" "$root$NOTICES"
notices_script >"$root/usr/local/sbin/$service"
chmod 755 "$root/usr/local/sbin/$service" "$root$NOTICES"
cat >"$root/etc/systemd/system/$service.service" <<UNIT
[Unit]
Description=Keeps jobs from the instance metadata and writes down what it announces
[Service]
Environment=NOTICES=$NOTICES JOBS_USER=$JOBS_USER
ExecStartPre=-/usr/local/sbin/$service deny
ExecStart=/usr/local/sbin/$service watch
Restart=always
RestartSec=5
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now --no-block "$service" || say "no service for notices: jobs of this machine hear of no Spot notice"

# One device of all the machine's own disks. Images of Amazon Linux are minimal: mdadm may be missing.
join() {
  if [ $# -gt 1 ]; then
    command -v mdadm >/dev/null || timeout 120 dnf -y -q install mdadm >/dev/null 2>&1
    if mdadm --create /dev/md0 --run --level=0 --raid-devices=$# "$@" >&2; then
      echo /dev/md0
      return
    fi
    say "no RAID of $# disks: the first one alone holds the scratch folders"
  fi
  echo "$1"
}

# Docker makes each job's scratch folder where its volumes are.
if [ "$INSTANCE_STORE" = yes ]; then
  mapfile -t disks < <(lsblk --nodeps --noheadings --paths --output NAME,MODEL | awk '/Instance Storage/ {print $1}')
  if [ ${#disks[@]} -eq 0 ]; then
    say "no disks of its own: scratch is on the root volume"
  else
    device=$(join "${disks[@]}")
    if mkfs.xfs -f -q -K "$device" && mount -o noatime "$device" "$volumes"; then
      chmod 701 "$volumes"
      say "scratch is on $device"
    else
      say "$device cannot be used: scratch is on the root volume"
    fi
  fi
fi
exit 0
