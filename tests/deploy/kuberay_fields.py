"""Writes down the fields of KubeRay's RayJob, from the operator's own schema.

    python -m tests.deploy.kuberay_fields CHECKOUT_OF_KUBERAY v1.5.1 v1.7.0

``kuberay_fields.yaml`` then has a tree for each version of the operator: an object is a mapping of
its fields, ``"*"`` for fields of any name, ``name!`` for one that is required; a list has one
item, its items' tree; ``string: A|B`` is a string with these values alone. YAML's references keep
trees that occur often from being written often.

Source: ``helm-chart/kuberay-operator/crds/ray.io_rayjobs.yaml`` of
https://github.com/ray-project/kuberay. Not covered: patterns, bounds and rules of values, and the
status, which the operator writes.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CRD = "helm-chart/kuberay-operator/crds/ray.io_rayjobs.yaml"
FILE = Path(__file__).with_suffix(".yaml")

Tree = str | list[Any] | dict[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),  # whose fields the schema leaves open
    "integer or string": (int, str),
}


def fields(schema: dict[str, Any], known: dict[str, Tree]) -> Tree:
    """The tree of an OpenAPI schema.

    Args:
        schema: the schema.
        known: trees by their text; equal trees become one object, so that YAML refers to it.
    """
    tree: Tree
    if "properties" in schema:
        required = schema.get("required", ())
        tree = {
            f"{name}!" if name in required else name: fields(inner, known)
            for name, inner in sorted(schema["properties"].items())
        }
    elif "additionalProperties" in schema:
        tree = {"*": fields(schema["additionalProperties"], known)}
    elif "items" in schema:
        tree = [fields(schema["items"], known)]
    elif schema.get("x-kubernetes-int-or-string"):
        tree = "integer or string"
    else:
        values = "|".join(value for value in schema.get("enum", ()) if value)
        tree = f"{schema['type']}: {values}" if values else schema["type"]
    return known.setdefault(json.dumps(tree), tree)


def mistakes(value: object, tree: Tree, name: str = "") -> Iterator[str]:
    """What a schema refuses in a value, one line each: unknown and missing fields, wrong types."""
    if isinstance(tree, dict) and isinstance(value, dict):
        legal = {field.removesuffix("!"): inner for field, inner in tree.items()}
        for field, inner in value.items():
            if "*" in legal or field in legal:
                yield from mistakes(inner, legal.get("*") or legal[field], f"{name}.{field}")
            else:
                yield f"{name}.{field}: no such field"
        for field in tree:
            if field.endswith("!") and field[:-1] not in value:
                yield f"{name}.{field[:-1]}: missing"
    elif isinstance(tree, list) and isinstance(value, list):
        for number, item in enumerate(value):
            yield from mistakes(item, tree[0], f"{name}[{number}]")
    elif isinstance(tree, str):
        kind, _, values = tree.partition(": ")
        # Python takes a boolean for an integer.
        if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
            yield f"{name}: expected {kind}, not {value!r}"
        elif values and value not in values.split("|"):
            yield f"{name}: {value!r} is not one of {values}"
    else:
        expected = "an object" if isinstance(tree, dict) else "a list"
        yield f"{name}: expected {expected}, not {value!r}"


def main(checkout: str, *versions: str) -> None:
    """Read the schemas of the versions from a checkout's history, and write the file."""
    known: dict[str, Tree] = {}
    trees = {version: fields(_schema(checkout, version), known) for version in versions}
    head = f"# {CRD} of github.com/ray-project/kuberay; see {Path(__file__).name}\n"
    FILE.write_text(head + yaml.safe_dump(trees, width=99, default_flow_style=True))


def _schema(checkout: str, version: str) -> dict[str, Any]:
    shown = ["git", "-C", checkout, "show", f"{version}:{CRD}"]
    text = subprocess.run(shown, capture_output=True, text=True, check=True).stdout
    versions = yaml.load(text, Loader=yaml.CSafeLoader)["spec"]["versions"]
    (schema,) = (each["schema"]["openAPIV3Schema"] for each in versions if each["name"] == "v1")
    del schema["properties"]["status"]
    return dict(schema)


if __name__ == "__main__":
    main(*sys.argv[1:])
