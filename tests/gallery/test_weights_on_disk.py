"""Models of the gallery that need no Python start from weights on disk, which are part of the run by their content."""

import shutil

import pytest
from conftest import ROOT
from processes import finish
from test_gallery import result_in

from encore.project.create import create

SHORT = ("task=classification", "trainer=cpu", "threads=1", "trainer.max_epochs=1", "+trainer.limit_train_batches=2")
# Writes weights, drawn with a seed, to a place.
TORCHVISION = "import torchvision; torch.save(torchvision.models.resnet18(num_classes=10).state_dict(), place)"
TIMM = "import timm; torch.save(timm.create_model('test_resnet', in_chans=1, num_classes=10).state_dict(), place)"
HUGGING_FACE = """
from transformers import ViTConfig, ViTForImageClassification
small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
config = ViTConfig(image_size=8, patch_size=2, num_channels=1, num_labels=10, **small)
ViTForImageClassification(config).save_pretrained(place)
"""
MODELS = {
    "torchvision": (("data=digits_rgb", "model=torchvision_resnet18"), "model.file", TORCHVISION),
    "timm": (("data=digits", "model=timm"), "model.checkpoint_path", TIMM),
    "huggingface": (("data=digits", "model=hf_vit_saved"), "model.pretrained_model_name_or_path", HUGGING_FACE),
}


def python(folder, *words):
    answer = finish(*words, cwd=folder)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_weights_on_disk_are_the_start_and_count_by_their_content(tmp_path, name):
    project = tmp_path / "study"
    create(project, "study", f"encore @ {ROOT.as_uri()}")
    shutil.copytree(ROOT / "docs" / "gallery" / name, project, dirs_exist_ok=True)
    words, setting, save = MODELS[name]

    def started_from(seed, runs):
        python(project, "-c", f"import torch; place = 'saved'; torch.manual_seed({seed}); {save.strip()}")
        said = python(project, "train.py", *words, *SHORT, f"{setting}=saved", f"runs_dir={runs}")
        return said, result_in(project / runs)

    (said, first), (again, same), (_, other) = started_from(1, "runs"), started_from(1, "runs"), started_from(2, "two")
    assert "in a way that reading the code does not show" not in said
    assert "finished already" in again
    assert same.fingerprint == first.fingerprint != other.fingerprint
    assert same.weights_sha256 == first.weights_sha256 != other.weights_sha256
