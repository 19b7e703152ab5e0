"""Lints, renders and validates the chart, offline.

Run by `cargo xtask chart`, with Helm's own code (helm-python-sdk) and Kubernetes' schemas (kubernetes-validate).
Ends with one line, `N passed, N failed, N skipped`.
"""

import copy
import json
import pathlib
import sys

import helm_python as helm
import jsonschema
import kubernetes_validate
import yaml

HELM = pathlib.Path(__file__).parent
CHART = HELM / "pitot"
CONFIG_SCHEMA = HELM.parent / "docs" / "config.schema.json"

# The oldest Kubernetes that Chart.yaml names, and the newest there are schemas of.
KUBERNETES = ["1.25", kubernetes_validate.latest_version()]

ENDPOINT = {"otlp": {"endpoint": "http://collector.observability:4317"}}

# What a user may set, each rendered and validated.
ACCEPTED = {
    "a collector": ENDPOINT,
    "no export": {"config": {"export": {"otlp": {"enabled": False}}}},
    "OTLP over HTTP": {"otlp": {"endpoint": "https://collector:4318", "protocol": "http/protobuf"}},
    "a service account of another's": {**ENDPOINT, "serviceAccount": {"create": False, "name": "observer"}},
    "a private registry": {
        **ENDPOINT,
        "image": {"repository": "registry.example/pitot", "tag": "1", "pullSecrets": [{"name": "registry"}]},
    },
    "nothing kept": {**ENDPOINT, "stateRoot": ""},
    "no databases": {
        **ENDPOINT,
        "config": {"capture": {"filter": {"exclude": [{"port": 5432}, {"address": "10.9.0.0/16"}]}}},
    },
    "more learning, other headers": {
        **ENDPOINT,
        "config": {"learning": {"messages": 1000}, "redaction": {"headers": ["x-api-key"]}},
    },
}

# What must be refused.
REFUSED = {
    "export without an endpoint": {},
    "an unknown key": {**ENDPOINT, "privileged": True},
    "an unknown key of the configuration": {**ENDPOINT, "config": {"learning": {"mesages": 10}}},
    "a filter that matches everything": {**ENDPOINT, "config": {"capture": {"filter": {"exclude": [{}]}}}},
    "a value out of range": {**ENDPOINT, "config": {"learning": {"messages": 0}}},
    "an endpoint that is no URL": {"otlp": {"endpoint": "collector:4317"}},
    "a transport that is none": {"otlp": {**ENDPOINT["otlp"], "protocol": "udp"}},
}

CAPABILITIES = {"BPF", "PERFMON", "NET_ADMIN"}


def render(values):
    """The manifests, as objects."""
    with helm.Chart.load(str(CHART)) as chart:
        chart.validate_schema(values)
        files = chart.render(values, name="test", namespace="observability")
    documents = [yaml.safe_load_all(text) for name, text in files.items() if name.endswith(".yaml")]
    return [document for file in documents for document in file if document]


def one(manifests, kind):
    found = [manifest for manifest in manifests if manifest["kind"] == kind]
    assert len(found) == 1, f"{len(found)} {kind}s rendered, not one"
    return found[0]


def lint():
    report = helm.lint(str(CHART), values=ENDPOINT, strict=True)
    # Helm's numbers: 1 information, 2 warning, 3 error.
    problems = [message for message in report["messages"] if message["severity"] >= 2]
    assert not problems, problems


def valid_for_kubernetes(values):
    manifests = render(values)
    one(manifests, "DaemonSet")
    for version in KUBERNETES:
        for manifest in manifests:
            kubernetes_validate.validate(manifest, version, strict=True)


def configuration_is_the_agents(values):
    config = yaml.safe_load(one(render(values), "ConfigMap")["data"]["config.yaml"])
    jsonschema.validate(config, json.loads(CONFIG_SCHEMA.read_text()))


def privileges(manifests):
    pod = one(manifests, "DaemonSet")["spec"]["template"]["spec"]
    assert len(pod["containers"]) == 1 and "initContainers" not in pod, "one container"
    context = pod["containers"][0]["securityContext"]
    assert context["privileged"] is False, "privileged"
    assert context["allowPrivilegeEscalation"] is False, "privilege escalation"
    assert context["readOnlyRootFilesystem"] is True, "root filesystem"
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}, "seccomp"
    assert context["capabilities"]["drop"] == ["ALL"], "capabilities dropped"
    assert set(context["capabilities"]["add"]) == CAPABILITIES, "capabilities added"
    assert pod["hostNetwork"] is False and pod["automountServiceAccountToken"] is False, "pod"
    writable = [mount["name"] for mount in pod["containers"][0]["volumeMounts"] if mount["readOnly"] is not True]
    assert writable in ([], ["state"]), "mounts"


def too_much_is_noticed(manifests):
    """The check above can fail."""
    for change in (
        lambda context: context.update(privileged=True),
        lambda context: context.update(readOnlyRootFilesystem=False),
        lambda context: context["capabilities"]["add"].append("SYS_ADMIN"),
    ):
        worse = copy.deepcopy(manifests)
        change(one(worse, "DaemonSet")["spec"]["template"]["spec"]["containers"][0]["securityContext"])
        refused(lambda: privileges(worse), AssertionError)


def new_configuration_restarts():
    sums = set()
    for messages in (200, 201):
        manifests = render({**ENDPOINT, "config": {"learning": {"messages": messages}}})
        sums.add(one(manifests, "DaemonSet")["spec"]["template"]["metadata"]["annotations"]["checksum/config"])
    assert len(sums) == 2, "the checksum does not follow the configuration"


def schemas_agree():
    """The part of values.schema.json about the configuration is docs/config.schema.json."""
    agent = json.loads(CONFIG_SCHEMA.read_text())
    chart = json.loads((CHART / "values.schema.json").read_text())["$defs"]
    config = {key: value for key, value in agent.items() if key not in ("$schema", "title", "$defs")}
    expected = {"Config": config, **agent["$defs"]}
    different = [name for name in {**expected, **chart} if expected.get(name) != chart.get(name)]
    assert not different, f"copy {different} from docs/config.schema.json to $defs of values.schema.json"


def refused(call, kinds):
    try:
        call()
    except kinds:
        return
    raise AssertionError("accepted")


def main():
    checks = {"lint": lint}
    for name, values in ACCEPTED.items():
        checks[f"valid for Kubernetes: {name}"] = lambda values=values: valid_for_kubernetes(values)
        checks[f"configuration: {name}"] = lambda values=values: configuration_is_the_agents(values)
    for name, values in REFUSED.items():
        checks[f"refuses {name}"] = lambda values=values: refused(lambda: render(values), helm.HelmError)
    checks["privileges"] = lambda: privileges(render(ENDPOINT))
    checks["too many privileges are noticed"] = lambda: too_much_is_noticed(render(ENDPOINT))
    checks["a new configuration restarts the agents"] = new_configuration_restarts
    checks["schemas agree"] = schemas_agree

    failed = 0
    for name, check in checks.items():
        try:
            check()
            print(f"ok: {name}")
        except Exception as error:  # Whatever went wrong, the other checks are still made.
            failed += 1
            print(f"failed: {name}: {type(error).__name__}: {error}")
    print(f"{len(checks) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
