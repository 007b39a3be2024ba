#!/bin/bash
# What a machine does at its first start: the ECS agent's settings first, then the scratch folder. No step may keep a
# machine from coming up: what fails is said in the log, and scratch stays where it is, on the root volume.
# Set before it runs: SCRATCH (a folder), INSTANCE_STORE (yes or no), STOP_TIMEOUT (as ECS takes it: 110s).
set -uo pipefail
ecs_config=${ECS_CONFIG:-/etc/ecs/ecs.config}

say() { echo "lammps-jobs: $*" >&2; }

mkdir -p "$(dirname "$ecs_config")" "$SCRATCH"
chmod 1777 "$SCRATCH"
cat >>"$ecs_config" <<SETTINGS
ECS_CONTAINER_STOP_TIMEOUT=$STOP_TIMEOUT
ECS_ENABLE_SPOT_INSTANCE_DRAINING=true
ECS_IMAGE_PULL_BEHAVIOR=prefer-cached
ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=10m
SETTINGS

# One device of all the machine's own disks. Images of Amazon Linux are minimal: mdadm may be missing.
join() {
  if [ $# -gt 1 ]; then
    command -v mdadm >/dev/null || timeout 120 dnf -y -q install mdadm >/dev/null 2>&1
    if mdadm --create /dev/md0 --run --level=0 --raid-devices=$# "$@" >&2; then
      echo /dev/md0
      return
    fi
    say "no RAID of $# disks: the first one alone holds the scratch folder"
  fi
  echo "$1"
}

if [ "$INSTANCE_STORE" = yes ]; then
  mapfile -t disks < <(lsblk --nodeps --noheadings --paths --output NAME,MODEL | awk '/Instance Storage/ {print $1}')
  if [ ${#disks[@]} -eq 0 ]; then
    say "no disks of its own: scratch is on the root volume"
  else
    device=$(join "${disks[@]}")
    if mkfs.xfs -f -q -K "$device" && mount -o noatime "$device" "$SCRATCH"; then
      chmod 1777 "$SCRATCH"
      say "scratch is on $device"
    else
      say "$device cannot be used: scratch is on the root volume"
    fi
  fi
fi
exit 0
