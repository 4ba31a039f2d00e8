"""Make an image of AWS with all that a node installs, so that nodes start without installing.

    python deploy/aws/image.py BUCKET

in the checkout, after the other marked lines of ``cluster.yaml`` are edited; BUCKET is the one of
the stack. An instance like the head is started for some minutes. It installs, stops, becomes an
image and is terminated. The image holds the wheels and the code, and no key or token.
"""

import io
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import boto3
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHECKOUT = "image/checkout.tar.gz"
LOG = "image/log"
INSTALLED = "installed"

# Stops whatever happens: that it has stopped says that it is done, the log's last line how.
_COMMANDS = f"""#!/bin/bash
export HOME=/root
trap 'aws s3 cp /root/log s3://BUCKET/{LOG}; shutdown now' EXIT
exec > /root/log 2>&1
set -euo pipefail
install -d -o ubuntu /home/ubuntu/hybridir
aws s3 cp s3://BUCKET/{CHECKOUT} - | sudo -u ubuntu tar xz -C /home/ubuntu/hybridir
sudo -iu ubuntu hybridir/deploy/aws/node.sh
echo {INSTALLED}
"""


def make_image(bucket: str, settings: dict[str, Any]) -> str:
    """Make the image, and return its id.

    Args:
        bucket: the stack's bucket, which the head may read and write.
        settings: content of ``cluster.yaml``.

    Raises:
        SystemExit: with the instance's log if something could not be installed.
    """
    region = settings["provider"]["region"]
    ec2, s3 = boto3.client("ec2", region), boto3.client("s3", region)
    s3.put_object(Bucket=bucket, Key=CHECKOUT, Body=_packed(settings["file_mounts"]))
    s3.delete_object(Bucket=bucket, Key=LOG)
    node = dict(settings["available_node_types"]["head"]["node_config"])
    started = ec2.run_instances(
        **node
        | {
            "SubnetId": node.pop("SubnetIds")[0],
            "InstanceInitiatedShutdownBehavior": "stop",
            "UserData": _COMMANDS.replace("BUCKET", bucket),
            "MinCount": 1,
            "MaxCount": 1,
        }
    )
    instance = started["Instances"][0]["InstanceId"]
    try:
        print(f"{instance} installs", flush=True)
        # An hour.
        stopped = {"Delay": 5, "MaxAttempts": 720}
        ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance], WaiterConfig=stopped)
        log = s3.get_object(Bucket=bucket, Key=LOG)["Body"].read().decode()
        if not log.endswith(f"{INSTALLED}\n"):
            sys.exit(f"{log}\n{instance} could not install; its log is above")
        name = f"{settings['cluster_name']}-{time.strftime('%Y%m%d-%H%M%S')}"
        image = str(ec2.create_image(InstanceId=instance, Name=name)["ImageId"])
        print(f"{instance} becomes {image}", flush=True)
        ec2.get_waiter("image_available").wait(ImageIds=[image])
        return image
    finally:
        ec2.terminate_instances(InstanceIds=[instance])
        s3.delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": CHECKOUT}, {"Key": LOG}], "Quiet": True}
        )


def _packed(mounts: dict[str, str]) -> bytes:
    """The files and folders that `ray up` copies to each node."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in mounts.values():
            archive.add(ROOT / name, name, filter=_unless_compiled)
    return buffer.getvalue()


def _unless_compiled(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python deploy/aws/image.py BUCKET")
    made = make_image(sys.argv[1], yaml.safe_load((ROOT / "cluster.yaml").read_text()))
    print(f"put it into cluster.yaml:   ImageId: &image {made}")
