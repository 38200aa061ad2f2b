"""The job files of docs/SCALE.md are what Bash and Kubernetes can read, and use torchrun on configs that exist."""

import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "SCALE.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_slurm_job_is_bash_that_starts_torchrun():
    (job,) = blocks("bash")
    assert subprocess.run(["bash", "-n"], input=job, text=True, capture_output=True).stderr == ""
    assert "srun torchrun" in job and "#SBATCH --nodes" in job


def test_the_kubernetes_job_is_an_indexed_job_whose_pods_meet_at_the_first():
    (text,) = blocks("yaml")
    service, job = yaml.safe_load_all(text)
    name, spec = job["metadata"]["name"], job["spec"]
    assert (service["kind"], job["kind"], spec["completionMode"]) == ("Service", "Job", "Indexed")
    assert service["spec"]["selector"] == {"job-name": name}
    assert spec["template"]["spec"]["subdomain"] == service["metadata"]["name"]
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"] == ["torchrun"]
    assert f"--nnodes={spec['completions']}" in container["args"] and spec["parallelism"] == spec["completions"]
    assert f"--master_addr={name}-0.{service['metadata']['name']}" in container["args"]


def test_the_configs_named_exist():
    names = set(re.findall(r"configs/[a-z_]+\.json", PAGE))
    assert names and all((ROOT / "bundle" / name).is_file() for name in names)
