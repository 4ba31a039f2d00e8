#!/usr/bin/env bash
# Sets up PostgreSQL and MLflow on the head:   tracking.sh BUCKET
# After node.sh; may be repeated. The database is copied to the shared file system every five
# minutes and when the head shuts down, and a new head starts from the copy.
set -euo pipefail

bucket=$1
user=$(id -un)
checkout=$(cd "$(dirname "$0")/../.." && pwd)
copy=/shared/mlflow.sql
save="/bin/sh -c 'pg_dump --no-owner mlflow > $copy.part && mv $copy.part $copy'"

sudo DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 \
    install --no-install-recommends postgresql > /dev/null

# PostgreSQL lets a user of this machine in as the role of the same name: there is no password.
ask() { sudo -u postgres psql --no-align --tuples-only --command "$1"; }
[ -n "$(ask "SELECT 1 FROM pg_roles WHERE rolname = '$user'")" ] || sudo -u postgres createuser "$user"
if [ -z "$(ask "SELECT 1 FROM pg_database WHERE datname = 'mlflow'")" ]; then
    sudo -u postgres createdb --owner "$user" mlflow
    if [ -s "$copy" ]; then
        psql --quiet --single-transaction --set ON_ERROR_STOP=1 --file "$copy" mlflow > /dev/null
    fi
fi

unit() { sudo tee "/etc/systemd/system/$1" > /dev/null; }
unit mlflow.service <<END
[Unit]
After=postgresql.service network-online.target
RequiresMountsFor=/shared
[Service]
User=$user
Environment=PATH=$checkout/.venv/bin:/usr/bin:/bin ARTIFACTS=s3://$bucket/mlflow
ExecStart=$checkout/deploy/aws/mlflow.sh
ExecStopPost=$save
Restart=always
RestartSec=5
[Install]
WantedBy=multi-user.target
END
unit mlflow-copy.service <<END
[Service]
Type=oneshot
User=$user
ExecStart=$save
END
unit mlflow-copy.timer <<END
[Timer]
OnActiveSec=5min
OnUnitActiveSec=5min
[Install]
WantedBy=timers.target
END
sudo systemctl daemon-reload
sudo systemctl enable --quiet --now mlflow.service mlflow-copy.timer
sudo systemctl restart mlflow.service

echo "export MLFLOW_TRACKING_URI=http://127.0.0.1:5000" \
    | sudo tee /etc/profile.d/hybridir-tracking.sh > /dev/null
if ! curl --silent --fail --output /dev/null \
    --retry 60 --retry-delay 2 --retry-connrefused http://localhost:5000/health; then
    echo "MLflow's server did not start; its last words:" >&2
    journalctl --unit mlflow.service --lines 20 --no-pager >&2
    exit 1
fi
