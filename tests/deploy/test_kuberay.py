import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import requests
import yaml
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from deploy.start_or_resume import sweep_arguments
from tests.deploy.kuberay_fields import FILE, mistakes

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "deploy" / "kuberay.yaml"
PAGE = ROOT / "docs" / "clusters" / "kuberay.md"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
PINS = (ROOT / "requirements.lock").read_text().splitlines()

# The oldest Kubernetes that is still in wide use, and the newest with an installed schema.
VERSIONS = ["1.30", kubernetes_validate.latest_version()]

# By version of the operator, the oldest that the file names and the newest of this writing.
RAY_JOBS = yaml.safe_load(FILE.read_text())

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
        _one("RayJob")["spec"]["submitterPodTemplate"],
        *(group["template"] for group in _groups()),
    ):
        yield {**template, "metadata": {**template.get("metadata", {}), "name": "any"}}
    yield _pod_of_the_page()


def _pod_of_the_page() -> Resource:
    """The one by which data get onto the volume."""
    return dict(yaml.safe_load(PAGE.read_text().split("<< 'END'\n")[1].split("\nEND\n")[0]))


def _mlflow() -> Resource:
    containers = _one("Deployment")["spec"]["template"]["spec"]["containers"]
    (mlflow,) = (container for container in containers if container["name"] == "mlflow")
    return dict(mlflow)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_accepts_each_resource_and_each_pod(version: str) -> None:
    standard = [resource for resource in _resources() if resource["kind"] != "RayJob"]
    pods = [{"apiVersion": "v1", "kind": "Pod", **pod} for pod in _pods()]
    assert len(standard) == 5
    assert len(pods) == 5
    for resource in [*standard, *pods]:
        kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize("version", RAY_JOBS)
def test_kuberay_knows_each_field_of_the_job(version: str) -> None:
    assert list(mistakes(_one("RayJob"), RAY_JOBS[version])) == []
    for group in _groups():
        # KubeRay builds a command line from them.
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("spec.ttlSeconds", 600, ".spec.ttlSeconds: no such field"),
        ("spec.entrypoint", 5, ".spec.entrypoint: expected string, not 5"),
        ("spec.backoffLimit", True, ".spec.backoffLimit: expected integer, not True"),
        ("spec.rayClusterSpec.authOptions.mode", "on", "'on' is not one of disabled|token"),
        ("spec.rayClusterSpec.headGroupSpec", {}, ".headGroupSpec.template: missing"),
        ("spec.submitterPodTemplate.spec.containers", {}, ".containers: expected a list"),
        ("spec.submitterPodTemplate.spec.restart", "Never", ".spec.restart: no such field"),
    ],
)
def test_a_field_that_kuberay_does_not_know_is_a_mistake(
    path: str, value: object, message: str
) -> None:
    job = _one("RayJob")
    *parents, last = path.split(".")
    inner = job
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    for tree in RAY_JOBS.values():
        (mistake,) = mistakes(job, tree)
        assert message in mistake


def test_a_namespace_that_restricts_pods_takes_them_all() -> None:
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    for pod in _pods():
        spec = pod["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(spec)
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for volume in spec.get("volumes", []):
            assert set(volume) <= {"name", "emptyDir", "persistentVolumeClaim"}
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security.get("runAsUser", 1) > 0
            assert set(security) <= {"allowPrivilegeEscalation", "capabilities", "runAsUser"}
            assert not any("hostPort" in port for port in container.get("ports", []))


def test_the_pod_that_submits_is_one_of_a_job_of_kubernetes() -> None:
    # The operator sets no policy where the template is ours, and a Job refuses the default one.
    submitter = _one("RayJob")["spec"]["submitterPodTemplate"]["spec"]
    assert submitter["restartPolicy"] == "Never"
    # It writes the command only where there is none.
    (container,) = submitter["containers"]
    assert not {"command", "args"} & set(container)


def test_data_get_onto_the_volume_of_the_head_and_the_workers() -> None:
    (volume,) = yaml.safe_load_all(MANIFEST.read_text().split("---\n")[0])
    pods = [_pod_of_the_page(), *(group["template"] for group in _groups())]
    for spec in (pod["spec"] for pod in pods):
        (shared,) = [v for v in spec["volumes"] if v["name"] == "shared"]
        assert shared["persistentVolumeClaim"]["claimName"] == volume["metadata"]["name"]
        mounts = spec["containers"][0]["volumeMounts"]
        assert {"name": "shared", "mountPath": "/shared"} in mounts
    assert _pod_of_the_page()["spec"]["containers"][0]["image"] == _mlflow()["image"]


def test_a_worker_has_the_password_from_the_secret_that_the_page_makes() -> None:
    command = PAGE.read_text().split("kubectl create secret generic ")[1].split("```")[0]
    for group in _groups():
        (password,) = [
            entry["valueFrom"]["secretKeyRef"]
            for entry in group["template"]["spec"]["containers"][0]["env"]
            if entry["name"] == "MLFLOW_TRACKING_PASSWORD"
        ]
        assert command.startswith(f"{password['name']} ")
        assert f"--from-literal {password['key']}=" in command


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


def test_each_container_has_limits_and_each_image_a_version() -> None:
    for pod in _pods():
        assert pod["spec"]["automountServiceAccountToken"] is False
        for container in pod["spec"]["containers"]:
            assert {"cpu", "memory"} <= set(container["resources"]["limits"])
            assert re.search(r":[\d.]+", container["image"]), "a version, not 'latest'"


def test_all_pods_of_the_study_use_one_image() -> None:
    templates = [group["template"] for group in _groups()]
    templates.append(_one("RayJob")["spec"]["submitterPodTemplate"])
    images = {template["spec"]["containers"][0]["image"] for template in templates}
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
    from mlflow.cli import server  # takes seconds, which no other test needs to wait for

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


@pytest.mark.long
def test_mlflow_asks_for_the_password_that_the_pods_of_a_study_have(tmp_path: Path) -> None:
    secret = {"password": "a password of the Secret", "key": "a key of the Secret"}

    def environment(container: Resource) -> dict[str, str]:
        return {
            entry["name"]: entry.get("value") or secret[entry["valueFrom"]["secretKeyRef"]["key"]]
            for entry in container["env"]
        }

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    instead = {
        "host": "127.0.0.1",
        "port": port,
        "backend-store-uri": f"sqlite:///{tmp_path}/mlflow.db",
        "artifacts-destination": tmp_path / "artifacts",
    }
    _, server, *flags = _mlflow()["command"]
    kept = [flag for flag in flags if flag[2:].partition("=")[0] not in instead]
    changed = [f"--{name}={value}" for name, value in instead.items()]
    process = subprocess.Popen(
        [Path(sys.executable).with_name("mlflow"), server, *kept, *changed],
        cwd=tmp_path,
        env={**os.environ, **environment(_mlflow())},
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        with requests.Session() as session:
            retry = Retry(total=1200, backoff_factor=0.5, backoff_max=0.5)
            session.mount("http://", HTTPAdapter(max_retries=retry))
            session.get(f"{address}/health").raise_for_status()
        found = f"{address}/api/2.0/mlflow/experiments/get?experiment_id=0"
        host = {"Host": f"localhost:{port}"}
        assert requests.get(found, headers=host).status_code == 401
        assert requests.get(found, headers=host, auth=("admin", "another")).status_code == 401
        for group in _groups():
            (container,) = group["template"]["spec"]["containers"]
            probe = "import sys; from tune.readiness.tracking_probe import store_problem; "
            probe += "print(repr(store_problem(sys.argv[1], artifacts=True).text))"
            given = {**os.environ, **environment(container), "PYTHONPATH": str(ROOT)}
            command = [sys.executable, "-c", probe, f"http://localhost:{port}"]
            assert subprocess.check_output(command, env=given, text=True).endswith("''\n")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


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
