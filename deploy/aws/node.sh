#!/usr/bin/env bash
# Prepares a node of cluster.yaml, head or worker:   node.sh FILE_SYSTEM
# May be repeated, as `ray up` does on a head that is there already. Without a file system it only
# installs, for an image (image.py).
set -euo pipefail

file_system=${1:-}
user=$(id -un)
checkout=$(cd "$(dirname "$0")/../.." && pwd)

# Ubuntu updates itself when it starts; its lock is waited for.
apt() { sudo DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 "$@" > /dev/null; }
apt update
apt install --no-install-recommends nfs-common python3.12-venv tmux

# The studies outlive all nodes. "hard": writing waits for a server that does not answer.
if [ -n "$file_system" ]; then
    if ! mountpoint --quiet /shared; then
        sudo mkdir -p /shared
        sudo mount -t nfs4 -o nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,noresvport \
            "$file_system:/" /shared
    fi
    sudo install -d -o "$user" /shared/data /shared/huggingface /shared/results
    ln -sfn /shared/results "$checkout/results"
fi

python3.12 -m venv "$checkout/.venv"
# Dependency groups need pip 25.1 or newer.
"$checkout/.venv/bin/pip" install -qq --disable-pip-version-check pip==25.3
"$checkout/.venv/bin/pip" install -qq --disable-pip-version-check \
    --constraint "$checkout/requirements.lock" --editable "$checkout" \
    --group "$checkout/pyproject.toml:cluster"

# Read by each of Ray's shells on this node.
sudo tee /etc/profile.d/hybridir.sh > /dev/null <<END
export PATH=$checkout/.venv/bin:\$PATH HF_HOME=/shared/huggingface RAY_AUTH_MODE=token
END
