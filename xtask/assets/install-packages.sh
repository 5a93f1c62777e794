#!/bin/sh
# Installs the Debian packages named as arguments and starts none of their system-wide services.
#
# Two notes are left for the package manager while it works and taken away afterwards: a
# policy-rc.d that refuses every service start, and a setting that keeps the PostgreSQL packages
# from creating their default cluster.
set -eu

policy=/usr/sbin/policy-rc.d
saved_policy=/usr/sbin/policy-rc.d.before-task-exchange
cluster_setting=/etc/postgresql-common/createcluster.d/task-exchange.conf

restore() {
    rm -f "$policy" "$cluster_setting"
    rmdir --ignore-fail-on-non-empty "$(dirname "$cluster_setting")" 2>/dev/null || true
    if [ -e "$saved_policy" ]; then mv "$saved_policy" "$policy"; fi
}
trap restore EXIT
trap 'exit 130' INT TERM HUP

# A run that was killed has left the original beside: it must not be overwritten.
if [ -e "$policy" ] && [ ! -e "$saved_policy" ]; then mv "$policy" "$saved_policy"; fi
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"
mkdir -p "$(dirname "$cluster_setting")"
echo 'create_main_cluster = false' >"$cluster_setting"

export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
apt-get -q -o DPkg::Lock::Timeout=300 update
apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install "$@"
