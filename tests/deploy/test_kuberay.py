import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from mlflow.cli import server

from deploy.start_or_resume import sweep_arguments

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "deploy" / "kuberay.yaml"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
PINS = (ROOT / "requirements.lock").read_text().splitlines()

# The oldest Kubernetes that is still in wide use, and the newest with an installed schema.
VERSIONS = ["1.30", kubernetes_validate.latest_version()]

# Fields of KubeRay 1.5's resources, from its API reference:
# https://ray-project.github.io/kuberay/reference/api/
RAY_JOB = {
    "activeDeadlineSeconds": int,
    "backoffLimit": int,
    "clusterSelector": dict,
    "deletionStrategy": dict,
    "entrypoint": str,
    "entrypointNumCpus": float,
    "entrypointNumGpus": float,
    "entrypointResources": str,
    "jobId": str,
    "managedBy": str,
    "rayClusterSpec": dict,
    "runtimeEnvYAML": str,
    "shutdownAfterJobFinishes": bool,
    "submissionMode": str,
    "submitterConfig": dict,
    "submitterPodTemplate": dict,
    "suspend": bool,
    "ttlSecondsAfterFinished": int,
}
RAY_CLUSTER = {
    "authOptions": dict,
    "autoscalerOptions": dict,
    "enableInTreeAutoscaling": bool,
    "gcsFaultToleranceOptions": dict,
    "headGroupSpec": dict,
    "headServiceAnnotations": dict,
    "managedBy": str,
    "rayVersion": str,
    "suspend": bool,
    "workerGroupSpecs": list,
}
HEAD_GROUP = {
    "enableIngress": bool,
    "headService": dict,
    "rayStartParams": dict,
    "serviceType": str,
    "template": dict,
}
WORKER_GROUP = {
    "groupName": str,
    "idleTimeoutSeconds": int,
    "maxReplicas": int,
    "minReplicas": int,
    "numOfHosts": int,
    "rayStartParams": dict,
    "replicas": int,
    "scaleStrategy": dict,
    "template": dict,
}

Resource = dict[str, Any]


def _resources() -> list[Resource]:
    return list(yaml.safe_load_all(MANIFEST.read_text()))


def _one(kind: str) -> Resource:
    (only,) = (resource for resource in _resources() if resource["kind"] == kind)
    return only


def _groups() -> list[Resource]:
    cluster = _one("RayJob")["spec"]["rayClusterSpec"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def _pods() -> Iterator[Resource]:
    for template in (
        _one("Deployment")["spec"]["template"],
        *(group["template"] for group in _groups()),
    ):
        yield {**template, "metadata": {**template["metadata"], "name": "any"}}


def _mlflow() -> Resource:
    containers = _one("Deployment")["spec"]["template"]["spec"]["containers"]
    (mlflow,) = (container for container in containers if container["name"] == "mlflow")
    return dict(mlflow)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_accepts_each_resource_and_each_pod(version: str) -> None:
    standard = [resource for resource in _resources() if resource["kind"] != "RayJob"]
    pods = [{"apiVersion": "v1", "kind": "Pod", **pod} for pod in _pods()]
    assert len(standard) == 5
    assert len(pods) == 3
    for resource in [*standard, *pods]:
        kubernetes_validate.validate(resource, version, strict=True)


def test_kuberay_knows_each_field_of_the_job() -> None:
    job = _one("RayJob")
    assert job["apiVersion"] == "ray.io/v1"
    cluster = job["spec"]["rayClusterSpec"]
    head, *workers = _groups()
    for settings, types in (
        (job["spec"], RAY_JOB),
        (cluster, RAY_CLUSTER),
        (head, HEAD_GROUP),
        *((worker, WORKER_GROUP) for worker in workers),
    ):
        for field, value in settings.items():
            assert isinstance(value, types[field]), field
    assert job["spec"]["submitterConfig"] == {"backoffLimit": 0}
    for group in (head, *workers):
        # KubeRay builds a command line from them.
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_ray_requires_a_token() -> None:
    cluster = _one("RayJob")["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert f"ray=={cluster['rayVersion']}" in PINS


def test_no_secret_is_in_the_file() -> None:
    text = MANIFEST.read_text()
    assert not re.search(r"\b(password|secret|token)\s*[:=]\s*\S", text, flags=re.IGNORECASE)
    assert not re.search(r"\w+://[^/\s]*:[^/\s]*@", text)


def test_the_head_takes_no_trial_and_each_worker_has_its_gpu() -> None:
    head, worker = _groups()
    assert head["rayStartParams"]["num-cpus"] == "0"
    (container,) = worker["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert worker["minReplicas"] == worker["replicas"] == worker["maxReplicas"]
    expected = f"--set resources.nodes={worker['replicas']}"
    assert expected in _one("RayJob")["spec"]["entrypoint"], "the study waits for all of them"


def test_each_container_has_limits_and_no_privileges() -> None:
    for pod in _pods():
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in pod["spec"]["containers"]:
            assert {"cpu", "memory"} <= set(container["resources"]["limits"])
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert re.search(r":[\d.]+", container["image"]), "a version, not 'latest'"


def test_all_pods_of_the_study_use_one_image() -> None:
    images = {group["template"]["spec"]["containers"][0]["image"] for group in _groups()}
    assert images == {_mlflow()["image"]}


def test_results_and_weights_are_on_a_volume_of_every_pod_of_the_study() -> None:
    (claim,) = (
        resource
        for resource in _resources()
        if resource["kind"] == "PersistentVolumeClaim"
        and resource["metadata"]["name"] == "hybridir-shared"
    )
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for group in _groups():
        spec = group["template"]["spec"]
        (volume,) = (volume for volume in spec["volumes"] if volume["name"] == "shared")
        assert volume["persistentVolumeClaim"]["claimName"] == "hybridir-shared"
        (container,) = spec["containers"]
        assert {"name": "shared", "mountPath": "/shared"} in container["volumeMounts"]
        assert {"name": "HF_HOME", "value": "/shared/huggingface"} in container["env"]
    assert "--set storage=/shared/results" in _one("RayJob")["spec"]["entrypoint"]


def test_the_job_runs_a_study_and_resumes_it_when_run_again() -> None:
    job = _one("RayJob")["spec"]
    program, script, *arguments = job["entrypoint"].split()
    assert program == "python"
    assert (ROOT / script).is_file()
    # The settings are read and checked; the storage has no run on this machine.
    assert sweep_arguments(arguments) == arguments
    assert job["backoffLimit"] > 0


def test_mlflow_accepts_its_flags_and_answers_to_its_service_name() -> None:
    program, command, *flags = _mlflow()["command"]
    assert (program, command) == ("mlflow", "server")
    settings = server.make_context("server", flags).params
    service = _one("Service")
    (port,) = (entry["port"] for entry in service["spec"]["ports"])
    assert settings["port"] == port
    assert settings["host"] == "0.0.0.0"
    address = f"{service['metadata']['name']}:{port}"
    assert address in settings["allowed_hosts"].split(",")
    for group in _groups():
        (container,) = group["template"]["spec"]["containers"]
        assert {"name": "MLFLOW_TRACKING_URI", "value": f"http://{address}"} in container["env"]


def test_only_the_pods_of_the_study_reach_mlflow() -> None:
    policy = _one("NetworkPolicy")["spec"]
    labels = _one("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"] == labels
    assert _one("Service")["spec"]["selector"] == labels
    (rule,) = policy["ingress"]
    for group in _groups():
        assert rule["from"] == [
            {"podSelector": {"matchLabels": group["template"]["metadata"]["labels"]}}
        ]


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), DOCKERFILE], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


def test_the_image_contains_named_folders_of_the_checkout_and_the_tested_wheels() -> None:
    text = DOCKERFILE.read_text()
    included = {
        line.removeprefix("!")
        for line in (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for line in re.findall(r"^COPY (.*)$", text, flags=re.MULTILINE)
        for source in line.split()[:-1]
    }
    for source in copied:
        assert (ROOT / source).exists()
        assert source in included or source.split("/")[0] in included
    assert {"hybridir", "tune", "analysis", "locks/cluster.txt"} <= copied
    assert not copied & {".", "data", "results"}
    assert "pip install --no-cache-dir --require-hashes --no-deps" in text
    assert "\nUSER 1000\n" in text
    assert str(_groups()[0]["template"]["spec"]["securityContext"]["runAsUser"]) == "1000"
