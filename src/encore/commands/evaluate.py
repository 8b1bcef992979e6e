"""Test a finished run's best weights again and compare with the record; or test them on other examples."""

import argparse
import sys
import tempfile
from pathlib import Path

from encore.commands.fetch_data import config_of, fetch
from encore.config.accelerator import at_hand, device_count
from encore.config.named_runs import a_run
from encore.data.offline import downloads_refused
from encore.errors import ConfigError, InputError, NotReproduced
from encore.provenance.files_read import check_unchanged
from encore.provenance.trust import check_config, recorded_config
from encore.record import seal
from encore.record.reading import read_manifest
from encore.record.result import Result
from encore.terminal import harmless

ELSEWHERE = 0.01  # relative difference that another device, or a population, may make: last digits can turn an example


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=a_run, metavar="RUN", help="a run's folder, or how its name or fingerprint begins")
    parser.add_argument("--data-dir", type=Path, help="folder of the data, if they have moved")
    parser.add_argument(
        "--fetch", action="store_true", help="download the dataset that the run is of, if it is missing"
    )
    parser.add_argument(
        "--data",
        nargs="+",
        metavar="NAME",
        help="test on another dataset of the same shape: a config's name, and overrides such as data.root=photos",
    )
    parser.add_argument(
        "--split",
        choices=("train", "val", "test"),
        help="test on this split (test; of a dataset without a test set, all)",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="more scores, and tables: of classes top 5, macro F1, NLL, ECE; of numbers R², MAE, RMSE, the largest "
        "errors; of labels and pixels the scores of each",
    )
    parser.add_argument(
        "--robustness", action="store_true", help="for pictures: accuracy under noise, blur, rotation and less contrast"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write what --full and --robustness find, and draw it"
    )
    wanted = parser.parse_args()
    if wanted.data or wanted.split or wanted.full or wanted.robustness:
        return anew(wanted)
    if wanted.out:
        raise ConfigError("--out is for what --full or --robustness finds")
    return again(wanted)


def anew(wanted: argparse.Namespace) -> int:
    """Test on any examples, and compare with nothing."""
    if wanted.fetch:
        raise ConfigError("--fetch is for the run's own test; encore fetch_data NAME fetches any dataset")
    if wanted.out and not (wanted.full or wanted.robustness):
        raise ConfigError("--out is for what --full or --robustness finds")
    Result.read(wanted.run)
    from encore.analysis.quality.examples import examples
    from encore.analysis.quality.report import report
    from encore.use.model import load

    own = None if wanted.data else wanted.data_dir
    model = load(wanted.run, data_dir=own)
    found = examples(model, wanted.split, wanted.data or (), wanted.data_dir)
    report(model, found, wanted.full, wanted.robustness, wanted.out)
    return 0


def again(wanted: argparse.Namespace) -> int:
    """Test as the run did, and compare."""
    recorded = Result.read(wanted.run)
    if recorded.status != "finished":
        raise InputError(f"{wanted.run} {recorded.standing}, not finished")
    cfg = recorded_config(wanted.run)
    if wanted.data_dir:
        cfg["data_dir"] = str(wanted.data_dir)
    if wanted.fetch:  # as its own config says, not the record
        own = config_of(cfg["data"]["name"], wanted.data_dir)
        fetch(own)
        cfg["data_dir"] = own["data_dir"]
    held = read_manifest(wanted.run)
    check_unchanged(held["data"]["files"], cfg)
    check_config(cfg, held, wanted.run)
    recorded_on = cfg["trainer"].get("accelerator", "auto")
    cfg["trainer"]["accelerator"] = on = at_hand(recorded_on)
    if old := seal.unsealed([wanted.run]):
        print(old, file=sys.stderr)
    # torch only from here: a wrong folder is answered at once
    from encore.analysis.evaluation import evaluation
    from encore.runner.summary import table

    remedy = "--data-dir says where it is, or encore fetch_data {name} fetches it"
    held = read_manifest(wanted.run)
    there, claimed = (held["world_size"], held["device"]), (device_count(cfg), recorded_on)
    if "seal" in held and there != claimed:
        raise InputError(f"{wanted.run}: config.yaml is for {claimed}, and manifest.json tells of {there}")
    with tempfile.TemporaryDirectory() as scratch, downloads_refused(remedy):
        found = evaluation(recorded, held, cfg, Path(scratch))
    print(table(found.measured))
    if found.left:
        print(f"not compared: {', '.join(found.left)}, which only training gives (encore reproduce)")
    elsewhere = device_count(cfg) > 1 or on != recorded_on
    if elsewhere:
        print(harmless(f"recorded on {device_count(cfg)} × {recorded_on}, tested on 1 × {on}: last digits may differ"))
    elif cfg.get("population"):
        print(f"validated as one of {cfg['population']}, measured alone: last digits may differ")
    if not found.figures:
        raise InputError(f"{wanted.run}: nothing was compared, as it has recorded none of these metrics")
    if not found.words:
        print(f"the same as recorded, bit for bit: {len(found.figures)} metrics")
    elif (elsewhere or cfg.get("population")) and found.apart <= ELSEWHERE:
        print(f"not bit for bit, and within {ELSEWHERE:.0%} of what was recorded: {found.words}")
    else:
        raise NotReproduced(f"measured again, these are others than recorded: {found.words}")
    return 0
