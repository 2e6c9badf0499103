"""Reads the tables of results folders with pandas, polars and NumPy, as a user would.

    read_back.py same DIR       a whole run with the same records in every format: all say the same
    read_back.py sealed DIR...  runs that were killed: what their manifest lists can be read
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq


def read_csv(path):
    """Numbers as Python reads them: older versions of pandas round."""
    return pd.read_csv(path, dtype=str).astype(float)


def same(folder):
    tables = json.loads((folder / "summary.json").read_text())["tables"]
    scene = hashlib.sha256((folder / "scene.ron").read_bytes()).hexdigest()
    for name in ["noise", "exc", "trace"]:
        csv = read_csv(folder / f"{name}_csv.csv")
        assert len(csv) > 500, len(csv)
        path = folder / f"{name}_parquet.parquet"
        frame = pd.read_parquet(path)
        assert list(frame.columns) == list(csv.columns)
        assert all((frame[c].to_numpy() == csv[c].to_numpy()).all() for c in csv), name
        assert set(frame.dtypes.astype(str)) <= {"int32", "float64"}, frame.dtypes
        polars = pl.read_parquet(path)
        assert polars.columns == list(csv.columns)
        assert all((polars[c].to_numpy() == csv[c].to_numpy()).all() for c in csv), name
        metadata = {k.decode(): v.decode() for k, v in pq.read_metadata(path).metadata.items()}
        assert metadata["picoamp.scene_sha256"] == scene
        assert metadata["picoamp.scene"] == "formats" and metadata["picoamp.seed"] == "3"
        assert metadata["picoamp.probe"] == f"{name}_parquet"
        assert float(metadata["picoamp.tick_s"]) == 1e-12
        units = json.loads(metadata["picoamp.units"])
        assert units == tables[f"{name}_parquet"]["columns"] and units["time_s"] == "s"
        assert tables[f"{name}_parquet"]["rows"] == len(csv)

    csv = read_csv(folder / "trace_csv.csv")
    for array in [np.load(folder / "trace_npy.npy"), np.load(folder / "trace_npy.npy", mmap_mode="r")]:
        axes = json.loads((folder / "trace_npy.axes.json").read_text())
        assert axes["axes"] == ["time_s", "neuron", "variable"]
        assert axes["variable"] == ["Vmem", "Imem"] and axes["unit"] == ["V", "A"]
        assert axes["scene_sha256"] == scene and axes["seed"] == 3
        assert array.dtype == np.float64
        times = axes["time_s"]["from"] + axes["time_s"]["every"] * np.arange(array.shape[0])
        for k, neuron in enumerate(axes["neuron"]):
            own = csv[csv.neuron == neuron]
            if "replica" in axes:
                own = own[own.replica == axes["replica"][k]]
            assert np.allclose(own.time_s, times, rtol=1e-12, atol=0)
            for v, variable in enumerate(axes["variable"]):
                assert (array[:, k, v] == own[variable].to_numpy()).all()
        assert array.shape[1] * array.shape[0] == len(csv)


def sealed(folder):
    """How many sealed pieces, and rows in them, were read."""
    if not (folder / "summary.json").exists():
        return 0, 0
    manifest = json.loads((folder / "summary.json").read_text())
    assert manifest["status"] == "unfinished", manifest["status"]
    pieces = rows = 0
    for table in manifest.get("tables", {}).values():
        for piece in table["pieces"]:
            path = folder / piece["file"]
            if table["format"] == "Npy":
                array = np.load(path, mmap_mode="r")
                assert array.shape[0] * array.shape[1] >= piece["rows"]
                assert np.isfinite(array).all()
            elif table["format"] == "Parquet":
                frame = pd.read_parquet(path)
                assert len(frame) == piece["rows"]
                assert frame.time_s.min() == piece["from_s"] and frame.time_s.max() == piece["to_s"]
                assert pl.read_parquet(path).height == piece["rows"]
            else:
                # The very last row may be cut; those that are sealed are whole.
                frame = pd.read_csv(path, nrows=piece["rows"])
                assert len(frame) == piece["rows"] and not frame.isna().any().any()
                assert np.isclose(frame.time_s.max(), piece["to_s"], rtol=1e-12)
            pieces += 1
            rows += piece["rows"]
        if table["format"] == "Parquet" and table["pieces"]:
            # A folder of pieces reads as one table. One may be there that the manifest does not list yet.
            whole = folder / Path(table["pieces"][0]["file"]).parent
            listed = sum(piece["rows"] for piece in table["pieces"])
            assert len(pd.read_parquet(whole)) == pl.read_parquet(whole).height >= listed
    return pieces, rows


if sys.argv[1] == "same":
    same(Path(sys.argv[2]))
else:
    found = [sealed(Path(folder)) for folder in sys.argv[2:]]
    print(f"{len(found)} runs, {sum(p for p, _ in found)} sealed pieces with "
          f"{sum(r for _, r in found)} rows, {sum(p > 0 for p, _ in found)} runs with pieces")
