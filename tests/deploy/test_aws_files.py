import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster.yaml"
TEMPLATE = ROOT / "deploy" / "aws" / "prerequisites.yaml"
SCRIPTS = sorted((ROOT / "deploy" / "aws").glob("*.sh"))
SETTINGS: dict[str, Any] = yaml.safe_load(CLUSTER.read_text())


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's own tags as their arguments."""


_Loader.add_multi_constructor("!", lambda loader, _, node: getattr(node, "value", None))
RESOURCES: dict[str, Any] = yaml.load(TEMPLATE.read_text(), Loader=_Loader)["Resources"]


def _commands(settings: dict[str, Any]) -> list[str]:
    return [
        command
        for key, commands in settings.items()
        if key.endswith("_commands")
        for command in commands
    ]


def test_the_lines_to_edit_are_the_outputs_of_the_template_and_one_image() -> None:
    marks = re.findall(r"  # edit(?:: (\w+))?$", CLUSTER.read_text(), flags=re.MULTILINE)
    declared = re.findall(r"^  (\w+): \{Value:", TEMPLATE.read_text(), flags=re.MULTILINE)
    assert sorted(filter(None, marks)) == sorted(declared)
    assert marks.count("") == 1


def test_the_whole_world_is_no_legal_range_for_ssh() -> None:
    pattern = re.search(r"AllowedPattern: (\S+)", TEMPLATE.read_text())
    assert pattern
    assert re.fullmatch(pattern[1], "203.0.113.7/32")
    assert not re.fullmatch(pattern[1], "0.0.0.0/0")


def test_the_template_is_valid_cloudformation() -> None:
    lint = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), TEMPLATE], capture_output=True, text=True
    )
    assert lint.returncode == 0, lint.stdout


def test_nothing_in_the_bucket_is_deleted_but_uploads_that_broke_off() -> None:
    rules = RESOURCES["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert {"DaysAfterInitiation": 7} in [r.get("AbortIncompleteMultipartUpload") for r in rules]
    assert not any("Expiration" in key for rule in rules for key in rule)
    # Infrequent access costs more for what is deleted within 30 days.
    (move,) = (move for rule in rules for move in rule.get("Transitions", ()))
    assert move["TransitionInDays"] >= 30


def test_an_alarm_comes_before_the_budget_is_spent() -> None:
    budget = RESOURCES["Budget"]["Properties"]
    assert budget["Budget"]["BudgetLimit"] == {"Amount": "MonthlyBudget", "Unit": "USD"}
    # Of all costs, since a tag counts from the day on which somebody activates it.
    assert "CostFilters" not in budget["Budget"]
    alarms = budget["NotificationsWithSubscribers"]
    assert min(alarm["Notification"]["Threshold"] for alarm in alarms) < 100
    for alarm in alarms:
        assert alarm["Subscribers"] == [{"SubscriptionType": "EMAIL", "Address": "AlarmAddress"}]


def test_the_head_may_tag_all_that_an_instance_is_started_with() -> None:
    # The stand-in for AWS does not look at resources.
    tagged = {
        tags["ResourceType"]
        for node_type in SETTINGS["available_node_types"].values()
        for tags in node_type["node_config"]["TagSpecifications"]
    }
    (autoscaler, _) = RESOURCES["HeadRole"]["Properties"]["Policies"]
    (names,) = (
        statement
        for statement in autoscaler["PolicyDocument"]["Statement"]
        if statement["Sid"] == "NameWhatItStarts"
    )
    assert {resource.rpartition(":")[2] for resource in names["Resource"]} == {
        f"{kind}/*" for kind in tagged
    }


@pytest.mark.parametrize("path", [CLUSTER, TEMPLATE, *SCRIPTS], ids=lambda path: path.name)
def test_no_secret_is_in_the_file(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"AKIA[0-9A-Z]{16}|BEGIN [A-Z ]*PRIVATE KEY|aws_secret", text)
    assert not re.search(r"\b(password|secret|token)\s*[:=]\s*\S", text, flags=re.IGNORECASE)
    assert not re.search(r"\w+://[^/\s]*:[^/\s]*@", text)


def test_the_token_is_made_on_the_head_and_copied_to_workers() -> None:
    assert "~/.ray/auth_token" in SETTINGS["cluster_synced_files"]
    assert any("get-auth-token --generate" in line for line in SETTINGS["head_setup_commands"])
    starts = [line for line in _commands(SETTINGS) if "ray start" in line]
    assert len(starts) == 2
    for line in starts:
        assert "RAY_AUTH_MODE=token ray start" in line
    assert "--dashboard-host=127.0.0.1" in starts[0]


def test_the_folders_to_copy_to_the_nodes_are_named_one_by_one() -> None:
    for remote, local in SETTINGS["file_mounts"].items():
        assert (ROOT / local).exists(), local
        assert remote == f"~/hybridir/{local}"
        assert re.fullmatch(r"\w[\w.]*", local), "neither the checkout as a whole, nor .git"
        assert local not in ("build", "data", "mlartifacts", "mlruns", "results")
    # They include everything that the nodes install and run.
    assert {
        "hybridir",
        "tune",
        "analysis",
        "deploy",
        "requirements.lock",
        "pyproject.toml",
    } <= set(SETTINGS["file_mounts"].values())


def test_each_command_is_valid_shell_and_calls_existing_scripts() -> None:
    called = set()
    for command in _commands(SETTINGS):
        assert subprocess.run(["bash", "-n", "-c", command]).returncode == 0, command
        words = shlex.split(command)
        if words[0].startswith("~/hybridir/"):
            script = ROOT / words[0].removeprefix("~/hybridir/")
            assert os.access(script, os.X_OK)
            assert len(words) == 2
            called.add(script.name)
    assert called == {"node.sh", "tracking.sh"}


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), *SCRIPTS], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


def test_the_nodes_install_the_tested_versions_on_a_supported_python() -> None:
    script = (ROOT / "deploy" / "aws" / "node.sh").read_text()
    assert '--constraint "$checkout/requirements.lock"' in script
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = settings["project"]
    pins = (ROOT / "requirements.lock").read_text().splitlines()
    for package in ("ray", "optuna", "mlflow", "boto3", "psycopg2-binary"):
        assert any(pin.startswith(f"{package}==") for pin in pins), package
    (torch,) = (line for line in project["dependencies"] if line.startswith("torch=="))
    assert torch in pins
    versions = set(re.findall(r"python(3\.\d+)", script))
    assert len(versions) == 1
    assert versions.pop() in SpecifierSet(project["requires-python"])
    assert '--group "$checkout/pyproject.toml:cluster"' in script
    assert "cluster" in settings["dependency-groups"]
