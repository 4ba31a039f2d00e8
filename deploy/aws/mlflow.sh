#!/usr/bin/env bash
# MLflow's server on the head; ARTIFACTS is where it keeps files.
# It asks for no password, so it listens on the head itself, where the driver of a study, which alone
# writes to it, runs. It answers to the head's own names alone, so that no web page gets in.
set -euo pipefail

export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
exec mlflow server --host 127.0.0.1 --port "${PORT:-5000}" --workers 1 \
    --backend-store-uri "${BACKEND:-postgresql+psycopg2:///mlflow?host=/var/run/postgresql}" \
    --artifacts-destination "$ARTIFACTS" --allowed-hosts 'localhost:*,127.0.0.1:*'
