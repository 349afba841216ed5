"""cluster.yaml and the files under deploy/: what Ray and AWS make of them, and what they promise.

KubeRay's schema is no part of Ray's package: the RayJob's fields are those of its API reference.
"""

import re
from importlib.metadata import version
from pathlib import Path

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[1]
CLUSTERS = ("cluster.yaml", "deploy/cluster-gcp.yaml")
PINNED = re.search(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)[1]


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture(params=CLUSTERS)
def cluster(request):
    return read(request.param)


def test_ray_accepts_it_and_adds_no_command_of_its_own(cluster):
    prepared = prepare_config(cluster)
    validate_config(prepared)
    assert prepared["head_setup_commands"] == prepared["worker_setup_commands"] == cluster["setup_commands"]
    for commands in ("head_start_ray_commands", "worker_start_ray_commands"):
        assert prepared[commands] == cluster[commands]


@pytest.mark.parametrize("wrong", [{"max_worker": 3}, {"max_workers": -1}, {"idle_timeout_minutes": "5"}])
def test_ray_would_see_a_mistake(cluster, wrong):
    with pytest.raises(jsonschema.ValidationError):
        validate_config(prepare_config(cluster | wrong))


def test_the_head_runs_no_trials_and_workers_come_and_go(cluster):
    types = cluster["available_node_types"]
    assert types[cluster["head_node_type"]]["resources"] == {"CPU": 0}
    assert "--num-cpus=0" in cluster["head_start_ray_commands"][-1]
    workers = {name: kind for name, kind in types.items() if name != cluster["head_node_type"]}
    assert {bool(kind["resources"].get("GPU")) for kind in workers.values()} == {True, False}
    assert all(kind["min_workers"] == 0 < kind["max_workers"] for kind in workers.values())
    assert cluster["max_workers"] == sum(kind["max_workers"] for kind in workers.values())
    assert 0 < cluster["idle_timeout_minutes"] <= 10
    assert cluster["provider"]["cache_stopped_nodes"] is False


def test_what_is_installed_is_this_project_with_the_ray_of_the_constraints(cluster):
    mounts = {Path(remote).name: local for remote, local in cluster["file_mounts"].items()}
    assert all((ROOT / local).exists() for name, local in mounts.items() if name != "auth_token")
    packages = re.findall(r'"(\w+)[\w.]*"', re.search(r"^packages = (.*)$", project(), re.MULTILINE)[1])
    assert {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", *packages} < set(mounts)
    install = "\n".join(cluster["setup_commands"])
    assert re.findall(r"ray\[default\]==([\w.]+)", install) == [PINNED] == [version("ray")]
    assert "nightly" not in install
    assert "dev0" not in install
    assert "load_dsprites" in install
    assert '--editable ".[cluster]"' in install
    assert re.search(r'^cluster = \["ray\[default\]', project(), re.MULTILINE)


def project() -> str:
    return (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_nobody_talks_to_it_without_the_token(cluster):
    assert cluster["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    starts = [cluster[f"{role}_start_ray_commands"][-1] for role in ("head", "worker")]
    assert all("export RAY_AUTH_MODE=token " in start for start in starts)
    assert any("RAY_AUTH_MODE=token" in command and "~/.bashrc" in command for command in cluster["setup_commands"])
    assert "--dashboard-host=127.0.0.1" in starts[0]
    assert not any("0.0.0.0" in start for start in starts)


def test_a_stopped_job_has_the_time_to_end_cleanly(cluster):
    assert int(re.search(r"RAY_JOB_STOP_WAIT_TIME_S=(\d+)", cluster["head_start_ray_commands"][-1])[1]) >= 120


def test_both_clouds_run_the_same():
    one, other = map(read, CLUSTERS)
    for same in (one.keys() & other.keys()) - {"provider", "available_node_types"}:
        assert one[same] == other[same], same
    for name, kind in one["available_node_types"].items():
        there = other["available_node_types"][name]
        assert {**kind, "node_config": None} == {**there, "node_config": None}


def test_the_gpu_workers_of_google_are_spot_machines_that_are_deleted():
    types = read("deploy/cluster-gcp.yaml")["available_node_types"]
    assert types["gpu"]["node_config"]["scheduling"]["provisioningModel"] == "SPOT"
    assert types["gpu"]["node_config"]["scheduling"]["instanceTerminationAction"] == "DELETE"
    assert "scheduling" not in types["head"]["node_config"]
    assert all(kind["node_config"]["disks"][0]["autoDelete"] for kind in types.values())
    assert all(
        "serviceAccounts" in types[name]["node_config"] for name in ("cpu", "gpu")
    )  # Ray gives the head its own.


@pytest.fixture
def aws(monkeypatch, tmp_path):
    """A simulated AWS with the account's stack in it; Ray writes the key that it makes into a home of this test."""
    import boto3
    from moto import mock_aws
    from ray.autoscaler._private.aws import utils

    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    utils.resource_cache.cache_clear()
    utils.client_cache.cache_clear()
    with mock_aws():
        region = read("cluster.yaml")["provider"]["region"]
        template = (ROOT / "deploy" / "aws-account.yaml").read_text(encoding="utf-8")
        stacks = boto3.client("cloudformation", region)
        stacks.create_stack(StackName="bvae-study", TemplateBody=template, Capabilities=["CAPABILITY_NAMED_IAM"])
        yield region
    utils.resource_cache.cache_clear()
    utils.client_cache.cache_clear()


@pytest.mark.filterwarnings("ignore")
def test_on_aws_only_ssh_is_open_and_nodes_are_really_terminated(aws):
    import boto3
    from ray.autoscaler._private.aws.config import bootstrap_aws
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    config = bootstrap_aws(prepare_config(read("cluster.yaml")))
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    ec2 = boto3.resource("ec2", aws)
    for name, kind in config["available_node_types"].items():
        provider.create_node(kind["node_config"], {"ray-user-node-type": name}, 1)
    [group] = {instance.security_groups[0]["GroupId"] for instance in ec2.instances.all()}
    rules = ec2.SecurityGroup(group).ip_permissions
    world = [rule for rule in rules if rule["IpRanges"] or rule["Ipv6Ranges"]]
    assert [(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in world] == [("tcp", 22, 22)]
    assert all({pair["GroupId"] for pair in rule["UserIdGroupPairs"]} == {group} for rule in rules if rule not in world)

    nodes = {tag["Value"]: node for node in ec2.instances.all() for tag in node.tags
             if tag["Key"] == "ray-user-node-type"}  # fmt: skip
    assert set(nodes) == {"head", "cpu", "gpu"}
    assert {name for name, node in nodes.items() if node.instance_lifecycle == "spot"} == {"gpu"}
    profiles = {name: node.iam_instance_profile["Arn"].split("/")[-1] for name, node in nodes.items()}
    assert profiles == {"head": "bvae-study-head", "cpu": "bvae-study-worker", "gpu": "bvae-study-worker"}
    provider.terminate_nodes([node.id for node in nodes.values()])
    assert {node.state["Name"] for node in ec2.instances.all()} == {"terminated"}


def test_on_aws_workers_can_reach_the_bucket_and_nothing_else(aws):
    import boto3

    iam, s3 = boto3.client("iam", aws), boto3.client("s3", aws)
    [bucket] = [found["Name"] for found in s3.list_buckets()["Buckets"]]
    # The simulated AWS ignores this part of the template.
    blocked = read("deploy/aws-account.yaml")["Resources"]["Bucket"]["Properties"]["PublicAccessBlockConfiguration"]
    assert len(blocked) == 4
    assert all(blocked.values())
    [attached] = iam.list_attached_role_policies(RoleName="bvae-study-worker")["AttachedPolicies"]
    assert not iam.list_role_policies(RoleName="bvae-study-worker")["PolicyNames"]
    document = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId="v1")["PolicyVersion"]["Document"]
    resources = {statement["Resource"] for statement in document["Statement"]}
    assert resources == {f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"}


def pods(job: dict) -> list[dict]:
    cluster = job["spec"]["rayClusterSpec"]
    return [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def test_the_rayjob_names_only_fields_that_kuberay_has():
    job = read("deploy/rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert set(job["spec"]) == {
        "entrypoint", "submissionMode", "backoffLimit", "activeDeadlineSeconds", "shutdownAfterJobFinishes",
        "ttlSecondsAfterFinished", "rayClusterSpec",
    }  # fmt: skip
    cluster = job["spec"]["rayClusterSpec"]
    assert set(cluster) == {
        "rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs"
    }  # fmt: skip
    assert set(cluster["headGroupSpec"]) == {"serviceType", "rayStartParams", "template"}
    for group in cluster["workerGroupSpecs"]:
        assert set(group) == {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}
    known = {"serviceAccountName", "restartPolicy", "containers", "nodeSelector", "tolerations"}
    assert all(set(pod) <= known for pod in pods(job))


def test_the_rayjob_promises_what_the_clusters_do():
    job, reference = read("deploy/rayjob.yaml"), read("cluster.yaml")
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == PINNED
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert cluster["autoscalerOptions"]["idleTimeoutSeconds"] == 60 * reference["idle_timeout_minutes"]
    assert job["spec"]["shutdownAfterJobFinishes"]
    assert job["spec"]["activeDeadlineSeconds"] > 0
    for group in cluster["workerGroupSpecs"]:
        kind = reference["available_node_types"][group["groupName"]]
        [container] = group["template"]["spec"]["containers"]
        assert (group["replicas"], group["minReplicas"]) == (0, 0)
        assert group["maxReplicas"] == kind["max_workers"]
        asked = {
            "CPU": container["resources"]["limits"]["cpu"],
            "GPU": container["resources"]["limits"].get("nvidia.com/gpu"),
        }
        assert {name: int(count) for name, count in asked.items() if count} == kind["resources"]
    assert len({container["image"] for pod in pods(job) for container in pod["containers"]}) == 1
    image = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^FROM rayproject/ray:([\d.]+)-", image, re.MULTILINE)[1] == PINNED


def test_the_study_of_the_rayjob_can_be_planned():
    import shlex

    from study import run as study_run
    from study.checks import check

    command = shlex.split(read("deploy/rayjob.yaml")["spec"]["entrypoint"])
    assert command[:3] == ["python", "-m", "study.run"]
    options = study_run.parse(command[3:])
    study_run.check_options(options)
    check(options.settings)
    assert options.address == "auto"
    assert options.storage.startswith("s3://")
