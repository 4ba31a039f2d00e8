#!/usr/bin/env bash
# MLflow's server on the head; ARTIFACTS is where it keeps files.
# It listens to the cluster's network, which the security group closes, and answers to the head's
# own names alone: a pattern such as 10.* would let a web page in whose name begins so.
set -euo pipefail

port=${PORT:-5000}
hosts="localhost:*,127.0.0.1:*"
for name in $(hostname -I) $(hostname) $(hostname --fqdn); do
    hosts+=",$name:$port"
done

export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
exec mlflow server --host 0.0.0.0 --port "$port" --workers 1 \
    --backend-store-uri "${BACKEND:-postgresql+psycopg2:///mlflow?host=/var/run/postgresql}" \
    --artifacts-destination "$ARTIFACTS" --allowed-hosts "$hosts"
