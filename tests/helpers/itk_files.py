"""NRRD and MetaImage files written by hand, so that what reads them is tried on bytes it did not write."""

import gzip
import zlib

import numpy as np

_NRRD_TYPES = {"i1": "signed char", "u1": "uchar", "i2": "short", "u2": "ushort", "f4": "float", "f8": "double"}
_META_TYPES = {"i1": "CHAR", "u1": "UCHAR", "i2": "SHORT", "u2": "USHORT", "f4": "FLOAT", "f8": "DOUBLE"}
_SIGNS = {"left-posterior-superior": (-1, -1, 1), "right-anterior-superior": (1, 1, 1)}


def nrrd_bytes(array, matrix, encoding="raw", space="left-posterior-superior", data_file=None, kinds=None):
    """Header and voxels of ``array`` (x, y, slice[, phase]); ``matrix``: voxel to RAS mm, None leaves it out.

    ``kinds``: with "list" in it that axis has no place in space, as 3D Slicer writes it; ``array`` as it then is.
    """
    fields = [f"type: {_NRRD_TYPES[array.dtype.str[1:]]}", f"dimension: {array.ndim}"]
    fields += ["sizes: " + " ".join(map(str, array.shape)), f"encoding: {encoding}"]
    fields += ["endian: " + ("big" if array.dtype.str[0] == ">" else "little")] if array.dtype.itemsize > 1 else []
    if matrix is not None:
        fields += _nrrd_geometry(np.asarray(matrix, float), array.ndim, space, kinds)
    fields += [f"data file: {data_file}"] if data_file else []
    header = "\n".join(["NRRD0005", "# by hand", *fields, "patient:=none"]).encode() + b"\n\n"
    voxels = array.tobytes("F")
    return header, gzip.compress(voxels) if encoding == "gzip" else voxels


def _nrrd_geometry(matrix, axes, space, kinds):
    signed = np.diag(_SIGNS[space]) @ matrix[:3]
    vectors = [signed[:, axis] for axis in range(3)]
    if kinds is not None:
        vectors.insert(kinds.index("list"), None)
        where = [f"space: {space}", "kinds: " + " ".join(kinds)]
    elif axes > 3:
        # space names are those of three axes; without one, left-posterior-superior is meant
        vectors = [[*vector, 0.0] for vector in vectors] + [[0.0, 0.0, 0.0, 1.0]]
        where = ["space dimension: 4"]
    else:
        where = [f"space: {space}"]
    origin = [*signed[:, 3], 0.0] if axes > 3 and kinds is None else signed[:, 3]
    return [*where, "space directions: " + " ".join(map(_vector, vectors)), f"space origin: {_vector(origin)}"]


def _vector(numbers):
    return "none" if numbers is None else "(" + ",".join(repr(float(n)) for n in numbers) + ")"


def meta_bytes(array, matrix, compressed=False, data_file="LOCAL", channels=1):
    """Header and voxels of ``array``, (x, y, slice[, phase]), or (channel, x, y, slice) with ``channels`` above 1."""
    shape = array.shape[1:] if channels > 1 else array.shape
    voxels = array.tobytes("F")
    voxels = zlib.compress(voxels) if compressed else voxels
    fields = {"ObjectType": "Image", "NDims": len(shape), "BinaryData": "True"}
    fields |= {"BinaryDataByteOrderMSB": array.dtype.str[0] == ">", "CompressedData": compressed}
    fields |= {"CompressedDataSize": len(voxels)} if compressed else {}
    if matrix is not None:
        fields |= _meta_geometry(np.asarray(matrix, float), len(shape))
    fields |= {"DimSize": " ".join(map(str, shape))}
    fields |= {"ElementNumberOfChannels": channels} if channels > 1 else {}
    fields |= {"ElementType": "MET_" + _META_TYPES[array.dtype.str[1:]], "ElementDataFile": data_file}
    return "".join(f"{key} = {value}\n" for key, value in fields.items()).encode(), voxels


def _meta_geometry(matrix, axes):
    signed = np.diag((-1, -1, 1)) @ matrix[:3]
    spacing, turn, offset = np.ones(axes), np.eye(axes), np.zeros(axes)
    spacing[:3] = np.linalg.norm(signed[:, :3], axis=0)
    turn[:3, :3] = signed[:, :3] / spacing[:3]
    offset[:3] = signed[:, 3]
    texts = {"TransformMatrix": turn.T.ravel(), "Offset": offset, "ElementSpacing": spacing}
    return {key: " ".join(repr(float(n)) for n in numbers) for key, numbers in texts.items()}


def write_image(path, array, matrix, **options):
    """Writes ``path`` in the format of its name; .nhdr and .mhd with the voxels in ``<stem>.raw`` beside them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    detached = path.suffix in (".nhdr", ".mhd")
    options |= {"data_file": f"{path.stem}.raw"} if detached else {}
    header, voxels = (nrrd_bytes if path.suffix in (".nrrd", ".nhdr") else meta_bytes)(array, matrix, **options)
    path.write_bytes(header if detached else header + voxels)
    if detached:
        path.with_suffix(".raw").write_bytes(voxels)
    return path
