"""A throw-away Orthanc on loopback and a pynetdicom client: send a folder, find, pull a study back."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as Get

from helpers.programs import find

TITLE, SUCCESS, PENDING = "TESTPACS", 0x0000, (0xFF00, 0xFF01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Pacs:
    """The server at a port, as a client sees it."""

    def __init__(self, port: int) -> None:
        self.port = port

    def _associate(self, contexts, **options):
        entity = AE(ae_title="SSDIFF")
        for context in contexts:
            entity.add_requested_context(context)
        association = entity.associate("127.0.0.1", self.port, ae_title=TITLE, **options)
        if not association.is_established:
            raise ConnectionError("the server refused the association")
        return association

    def send(self, folder: Path) -> int:
        """Stores every file below the folder; returns how many."""
        images = [pydicom.dcmread(path) for path in sorted(folder.rglob("*")) if path.is_file()]
        association = self._associate({image.SOPClassUID for image in images})
        states = [association.send_c_store(image).Status for image in images]
        association.release()
        if set(states) != {SUCCESS}:
            raise ConnectionError(f"storing ended with {sorted({hex(state) for state in states})}")
        return len(states)

    def find(self, level: str, **keys: str) -> list[Dataset]:
        """Answers of a C-FIND at STUDY, SERIES or IMAGE level; a key with "" is asked for."""
        query = Dataset()
        query.QueryRetrieveLevel = level
        for keyword, value in keys.items():
            setattr(query, keyword, value)
        association = self._associate([Find])
        answers = [one for state, one in association.send_c_find(query, Find) if state and state.Status in PENDING]
        association.release()
        return answers

    def pull(self, study_uid: str, classes: set[str], folder: Path) -> int:
        """Writes all images of a study by C-GET; returns how many."""
        received = []

        def keep(event) -> int:
            image = event.dataset
            image.file_meta = event.file_meta
            received.append(folder / f"{len(received):05d}.dcm")
            image.save_as(received[-1], enforce_file_format=True)
            return SUCCESS

        folder.mkdir(parents=True)
        query = Dataset()
        query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", study_uid
        roles = [build_role(one, scp_role=True) for one in sorted(classes)]
        handlers = [(evt.EVT_C_STORE, keep)]
        association = self._associate([Get, *sorted(classes)], ext_neg=roles, evt_handlers=handlers)
        states = [state.Status for state, _ in association.send_c_get(query, Get)]
        association.release()
        if states[-1] != SUCCESS:
            raise ConnectionError(f"pulling ended with {hex(states[-1])}")
        return len(received)


@contextmanager
def orthanc(folder: Path) -> Iterator[Pacs]:
    """Starts the server with its database in ``folder``; ends it with the block."""
    port = free_port()
    settings = {
        "Name": "test", "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"),
        "HttpServerEnabled": False, "DicomPort": port, "DicomAet": TITLE, "RemoteAccessAllowed": False,
        "DicomAlwaysAllowStore": True, "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True, "Plugins": [],
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "orthanc.log").open("w") as log:
        server = subprocess.Popen([find("Orthanc"), str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        _wait_for(port, server)
        yield Pacs(port)
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_for(port: int, server: subprocess.Popen, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if server.poll() is not None:
            break
        time.sleep(0.2)
    raise ConnectionError("the server did not start")
