import copy
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import moto
import psutil  # type: ignore[import-untyped]
import pytest
import requests
import yaml
from mlflow import MlflowClient
from moto.core.authorization import ActionAuthenticatorMixin
from moto.server import ThreadedMotoServer
from ray.autoscaler._private.providers import _NODE_PROVIDERS, _get_node_provider
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.tags import (
    NODE_KIND_HEAD,
    NODE_KIND_WORKER,
    TAG_RAY_LAUNCH_CONFIG,
    TAG_RAY_NODE_KIND,
    TAG_RAY_USER_NODE_TYPE,
)
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from deploy.aws.image import make_image

pytestmark = [
    pytest.mark.long,
    # The stand-in makes no budgets; test_aws_files.py looks at it.
    pytest.mark.filterwarnings("ignore:Tried to parse AWS..Budgets..Budget"),
]

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster.yaml"
TEMPLATE = ROOT / "deploy" / "aws" / "prerequisites.yaml"
SSH_RANGE = "203.0.113.7/32"
FOLDERS = set(yaml.safe_load(CLUSTER.read_text())["file_mounts"].values())

# A value of a marked line, as the file has it before a user edits it.
PLACEHOLDER = re.compile(r"\[[^]]*\]|arn:\S+|fs-\S+|hybridir-bucket-\S+|eu-central-1|ami-\S+")

Settings = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "of-no-account")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "of-no-account")
        environment.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        # Ray writes the key that it makes there.
        environment.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield
    server.stop()


@pytest.fixture(scope="module")
def outputs(aws: None) -> dict[str, str]:
    client = boto3.client("cloudformation")
    client.create_stack(
        StackName="hybridir",
        TemplateBody=TEMPLATE.read_text(),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in (("SshRange", SSH_RANGE), ("AlarmAddress", "lab@example.org"))
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    (stack,) = client.describe_stacks(StackName="hybridir")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@pytest.fixture(scope="module")
def tracking(outputs: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of the head's MLflow server, which starts while other tests run."""
    folder = tmp_path_factory.mktemp("tracking")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    server = subprocess.Popen(
        [ROOT / "deploy" / "aws" / "mlflow.sh"],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PORT": str(port),
            "BACKEND": f"sqlite:///{folder}/mlflow.db",
            "ARTIFACTS": f"s3://{outputs['Bucket']}/mlflow",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    yield port
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


@pytest.fixture(scope="module")
def image(aws: None) -> str:
    return str(boto3.client("ec2").register_image(Name="base, Ubuntu 24.04")["ImageId"])


@pytest.fixture(scope="module")
def cluster(outputs: dict[str, str], image: str, tracking: int) -> Settings:
    """The cluster file as edited by a user, prepared and completed by Ray."""
    edited = "\n".join(_edited(line, outputs, image) for line in CLUSTER.read_text().splitlines())
    config = prepare_config(yaml.safe_load(edited))
    validate_config(config)
    provider = _NODE_PROVIDERS["aws"](config["provider"])  # type: ignore[no-untyped-call]
    completed = provider.fillout_available_node_types_resources(config)
    return dict(provider.bootstrap_config(completed))


def _edited(line: str, outputs: dict[str, str], image: str) -> str:
    value, mark, name = line.partition("  # edit")
    if not mark:
        return line
    replacement = outputs[name.removeprefix(": ")] if name else image
    edited, count = PLACEHOLDER.subn(lambda _: replacement, value)
    assert count == 1, line
    return edited


def _statements(iam: Any, role: str) -> list[Settings]:
    policies = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [
        iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        for policy in policies
    ]
    # The stand-in for AWS has the policies of a stack as text.
    return [s for text in documents for s in yaml.safe_load(str(text))["Statement"]]


def _start(cluster: Settings, node_type: str, kind: str) -> tuple[Any, Settings]:
    """Create one node as Ray does; return the provider and the instance in AWS."""
    provider = _get_node_provider(cluster["provider"], cluster["cluster_name"])
    tags = {
        TAG_RAY_NODE_KIND: kind,
        TAG_RAY_USER_NODE_TYPE: node_type,
        TAG_RAY_LAUNCH_CONFIG: "any",
    }
    node = copy.deepcopy(cluster["available_node_types"][node_type]["node_config"])
    (created,) = provider.create_node(node, tags, 1)
    answer = boto3.client("ec2").describe_instances(InstanceIds=[created])
    (reservation,) = answer["Reservations"]
    return provider, reservation["Instances"][0]


@contextmanager
def _as_head(cluster: Settings, outputs: dict[str, str]) -> Iterator[Settings]:
    """The cluster as its head sees it: AWS checks each call against the head's role."""
    iam = boto3.client("iam")
    role = _role(iam, outputs)
    for number, statement in enumerate(_statements(iam, role["RoleName"])):
        # The stand-in cannot read the policies of a stack, but does read these. It checks the
        # action of any call, and the resource of those to S3 alone.
        if not str(statement["Action"]).startswith(("s3:", "['s3:")):
            statement["Resource"] = "*"
        document = {"Version": "2012-10-17", "Statement": [statement]}
        name = f"statement-{number}"
        iam.put_role_policy(
            RoleName=role["RoleName"], PolicyName=name, PolicyDocument=json.dumps(document)
        )
    for policy in ("autoscaler", "artifacts"):
        iam.delete_role_policy(RoleName=role["RoleName"], PolicyName=policy)
    keys = boto3.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="head")
    environment = {
        "AWS_ACCESS_KEY_ID": keys["Credentials"]["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["Credentials"]["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["Credentials"]["SessionToken"],
    }
    provider = copy.deepcopy(cluster["provider"])
    provider["aws_credentials"] = {key.lower(): value for key, value in environment.items()}
    with pytest.MonkeyPatch.context() as patch:
        for key, value in environment.items():
            patch.setenv(key, value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)  # which remembers other keys
        patch.setattr(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
        patch.setattr(ActionAuthenticatorMixin, "request_count", 0)
        yield {**cluster, "provider": provider}


def _role(iam: Any, outputs: dict[str, str]) -> Settings:
    profile = outputs["IamInstanceProfile"].rpartition("/")[2]
    (role,) = iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"]
    return dict(role)


def test_ray_accepts_the_file_and_adds_no_defaults(
    cluster: Settings, outputs: dict[str, str], image: str
) -> None:
    for node_type in cluster["available_node_types"].values():
        node = node_type["node_config"]
        assert node["ImageId"] == image
        assert node["SecurityGroupIds"] == yaml.safe_load(outputs["SecurityGroupIds"])
        assert set(node["SubnetIds"]) == set(yaml.safe_load(outputs["SubnetIds"]))
    # Otherwise Ray would make a role with full access to EC2 and S3, and keep it here.
    assert cluster["head_node"] == {}
    groups = boto3.client("ec2").describe_security_groups()["SecurityGroups"]
    assert not [group for group in groups if "ray-autoscaler" in group["GroupName"]]


def test_the_head_takes_no_trial_and_a_worker_offers_its_gpu(cluster: Settings) -> None:
    types = cluster["available_node_types"]
    assert types["head"]["resources"]["CPU"] == 0
    assert "GPU" not in types["head"]["resources"]
    # A g6.xlarge: 4 vCPU and one L4.
    assert types["worker"]["resources"]["CPU"] == 4
    assert types["worker"]["resources"]["GPU"] == 1
    assert types["worker"]["min_workers"] == 0


def test_a_head_starts_with_its_rights_and_is_terminated(
    cluster: Settings, outputs: dict[str, str], image: str
) -> None:
    provider, head = _start(cluster, "head", NODE_KIND_HEAD)
    assert head["ImageId"] == image
    assert head["IamInstanceProfile"]["Arn"] == outputs["IamInstanceProfile"]
    assert [group["GroupId"] for group in head["SecurityGroups"]] == yaml.safe_load(
        outputs["SecurityGroupIds"]
    )
    assert head["SubnetId"] in yaml.safe_load(outputs["SubnetIds"])
    assert "InstanceLifecycle" not in head, "the head is no spot instance"
    provider.terminate_node(head["InstanceId"])
    assert provider.is_terminated(head["InstanceId"])
    answer = boto3.client("ec2").describe_instances(InstanceIds=[head["InstanceId"]])
    (reservation,) = answer["Reservations"]
    state = reservation["Instances"][0]["State"]["Name"]
    assert state == "terminated", "a stopped instance would cost money"


def test_a_worker_is_a_spot_instance_without_rights(
    cluster: Settings, outputs: dict[str, str], image: str
) -> None:
    provider, worker = _start(cluster, "worker", NODE_KIND_WORKER)
    assert worker["ImageId"] == image
    assert worker["InstanceLifecycle"] == "spot"
    assert "IamInstanceProfile" not in worker
    assert [group["GroupId"] for group in worker["SecurityGroups"]] == yaml.safe_load(
        outputs["SecurityGroupIds"]
    )
    provider.terminate_nodes([worker["InstanceId"]])
    assert provider.is_terminated(worker["InstanceId"])


def test_instances_and_their_disks_have_the_tag_to_find_their_costs_by(cluster: Settings) -> None:
    provider, worker = _start(cluster, "worker", NODE_KIND_WORKER)
    ec2 = boto3.client("ec2")
    ids = [disk["Ebs"]["VolumeId"] for disk in worker["BlockDeviceMappings"]]
    (volume,) = ec2.describe_volumes(VolumeIds=ids)["Volumes"]
    for thing in (worker, volume):
        assert {"Key": "project", "Value": "hybridir"} in thing["Tags"]
    provider.terminate_nodes([worker["InstanceId"]])


def test_a_typo_in_a_node_config_is_detected_here(cluster: Settings) -> None:
    broken = copy.deepcopy(cluster)
    node = broken["available_node_types"]["worker"]["node_config"]
    node["InstanceMarketOption"] = node.pop("InstanceMarketOptions")
    with pytest.raises(botocore.exceptions.ParamValidationError, match="InstanceMarketOption"):
        _start(broken, "worker", NODE_KIND_WORKER)


def test_only_ssh_from_the_configured_range_is_let_in(outputs: dict[str, str]) -> None:
    (group_id,) = yaml.safe_load(outputs["SecurityGroupIds"])
    (group,) = boto3.client("ec2").describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    from_outside = [rule for rule in group["IpPermissions"] if rule["IpRanges"]]
    assert [
        (rule["IpProtocol"], rule["FromPort"], rule["ToPort"], rule["IpRanges"])
        for rule in from_outside
    ] == [("tcp", 22, 22, [{"CidrIp": SSH_RANGE}])]
    between = [rule for rule in group["IpPermissions"] if not rule["IpRanges"]]
    assert [
        (rule["IpProtocol"], [pair["GroupId"] for pair in rule["UserIdGroupPairs"]])
        for rule in between
    ] == [("-1", [group_id])]


def test_the_role_of_the_head_changes_its_own_resources_alone(outputs: dict[str, str]) -> None:
    iam = boto3.client("iam")
    name = _role(iam, outputs)["RoleName"]
    assert not iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    granted = set()
    for statement in _statements(iam, name):
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            assert "*" not in action
            if statement["Resource"] == "*":
                assert action.startswith("ec2:Describe")
            elif action.startswith("ec2:Terminate"):
                assert statement["Condition"] == {
                    "StringEquals": {"aws:ResourceTag/ray-cluster-name": "hybridir"}
                }
            granted.add(action)
    assert {"ec2:RunInstances", "ec2:TerminateInstances", "s3:PutObject"} <= granted


def test_mlflow_listens_on_the_head_alone_answers_to_its_names_and_stores_artifacts_in_the_bucket(
    tracking: int, outputs: dict[str, str], tmp_path: Path
) -> None:
    with requests.Session() as session:
        retry = Retry(total=240, backoff_factor=0.5, backoff_max=0.5)
        session.mount("http://", HTTPAdapter(max_retries=retry))
        session.get(f"http://127.0.0.1:{tracking}/health").raise_for_status()

    def status(host: str) -> int:
        answer = requests.get(
            f"http://127.0.0.1:{tracking}/api/2.0/mlflow/experiments/get?experiment_id=0",
            headers={"Host": host},
        )
        return answer.status_code

    assert status(f"localhost:{tracking + 1}") == 200, "through a tunnel, at any port"
    for name in (f"127.0.0.1.example.org:{tracking}", "example.org"):
        assert status(name) == 403
    heard = {
        connection.laddr.ip
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == tracking
    }
    assert heard == {"127.0.0.1"}

    client = MlflowClient(f"http://127.0.0.1:{tracking}")
    run = client.create_run("0").info
    (tmp_path / "table.txt").write_text("stored")
    client.log_artifact(run.run_id, str(tmp_path / "table.txt"))
    objects = boto3.client("s3").list_objects_v2(Bucket=outputs["Bucket"])["Contents"]
    assert [item["Key"] for item in objects] == [f"mlflow/0/{run.run_id}/artifacts/table.txt"]


def test_an_image_is_made_of_an_instance_that_has_installed(
    cluster: Settings, outputs: dict[str, str]
) -> None:
    # What AWS's machine would do: install, write the log, stop.
    ec2, s3, bucket = boto3.client("ec2"), boto3.client("s3"), outputs["Bucket"]

    def install(last_line: str) -> None:
        while not (running := _running(ec2)):
            pass
        packed = s3.get_object(Bucket=bucket, Key="image/checkout.tar.gz")["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            names.update(archive.getnames())
        s3.put_object(Bucket=bucket, Key="image/log", Body=f"...\n{last_line}\n".encode())
        ec2.stop_instances(InstanceIds=running)

    names: set[str] = set()
    with ThreadPoolExecutor(1) as pool:
        installed = pool.submit(install, "installed")
        made = make_image(bucket, cluster)
        installed.result()
        (described,) = ec2.describe_images(ImageIds=[made])["Images"]
        assert described["Name"].startswith("hybridir-")
        assert {"deploy/aws/node.sh", "requirements.lock", "hybridir/__init__.py"} <= names
        assert not [name for name in names if name.split("/")[0] not in FOLDERS]

        failed = pool.submit(install, "no space left on device")
        with pytest.raises(SystemExit, match="no space left"):
            make_image(bucket, cluster)
        failed.result()
    assert _running(ec2) == []
    left = s3.list_objects_v2(Bucket=bucket, Prefix="image/")
    assert left["KeyCount"] == 0


def _running(ec2: Any) -> list[str]:
    states = [{"Name": "instance-state-name", "Values": ["running", "stopped"]}]
    reservations = ec2.describe_instances(Filters=states)["Reservations"]
    return [instance["InstanceId"] for group in reservations for instance in group["Instances"]]


# The last test: from here on, AWS checks each call.
def test_the_role_of_the_head_suffices_for_what_ray_calls_and_for_no_more(
    cluster: Settings, outputs: dict[str, str]
) -> None:
    with _as_head(cluster, outputs) as seen:
        aws = _NODE_PROVIDERS["aws"](seen["provider"])  # type: ignore[no-untyped-call]
        aws.fillout_available_node_types_resources(copy.deepcopy(seen))
        provider, worker = _start(seen, "worker", NODE_KIND_WORKER)
        (node,) = provider.non_terminated_nodes({TAG_RAY_NODE_KIND: NODE_KIND_WORKER})
        assert node == worker["InstanceId"]
        assert provider.is_running(node)
        provider.set_node_tags(node, {"ray-node-status": "up-to-date"})
        provider.terminate_nodes([node])
        boto3.client("s3").put_object(Bucket=outputs["Bucket"], Key="mlflow/any", Body=b"any")
        refusals: list[Callable[[], object]] = [
            lambda: boto3.client("ec2").stop_instances(InstanceIds=[node]),
            lambda: boto3.client("s3").delete_bucket(Bucket=outputs["Bucket"]),
            lambda: boto3.client("iam").list_roles(),
        ]
        for refused in refusals:
            with pytest.raises(botocore.exceptions.ClientError) as caught:
                refused()
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
