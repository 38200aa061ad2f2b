"""Runs ``python -m monai.bundle run`` in forks of a process that has imported the libraries already.

Importing MONAI takes ten seconds of a core, most jobs of the tests take one. A job is one line of JSON on stdin, the
answer its exit code on stdout; the argument is how many seconds a job may take. What belongs to this bundle is imported
by each job anew.
"""

import importlib
import json
import os
import runpy
import signal
import sys

LIBRARIES = ("torch", "monai.bundle", "monai.engines", "monai.handlers", "matplotlib.figure", "nibabel", "scipy.stats")


def become(job):
    """Folder, environment, arguments and streams of this process are those of the job."""
    signal.alarm(int(sys.argv[1]))
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.path[0] = job["cwd"]
    sys.argv = ["monai.bundle", "run", *job["arguments"]]
    for descriptor, path in enumerate((os.devnull, job["stdout"], job["stderr"])):
        opened = os.open(path, os.O_RDWR)
        os.dup2(opened, descriptor)
        os.close(opened)


def next_job():
    """Returns in the fork that is to run a job; this process itself ends with its stdin."""
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            return json.loads(line)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    sys.exit()


if __name__ == "__main__":
    for library in LIBRARIES:
        importlib.import_module(library)
    become(next_job())
    runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
