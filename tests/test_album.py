"""The album of a model: its files, what lies where in them, and the command that writes one."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from constructed import FakeStore
from numpy.typing import NDArray
from PIL import Image

from analysis import traversals
from analysis.album import COLUMNS, contact_sheet, interpolations, overview, prior_samples, signed, write_album
from analysis.latents import Latent
from analysis.pictures import LINE, SIDE
from analysis.portraits import Portrait
from analysis.traversals import decoded, traverse, values_of

CODES = np.array([[0.0, 1.0, -1.0], [2.0, -2.0, 0.5]], np.float32)
LATENTS = [Latent(2, 3.0, "scale", -1), Latent(0, 0.5), Latent(1, 0.001)]
ALBUM = ["contact_sheet.png", "interpolation.gif", "interpolation.png", "prior_samples.png", "reconstructions.png"]


def decode(codes: NDArray[np.float32]) -> NDArray[np.float32]:
    """64 x 64 images with a band of 16 rows per latent, as bright as (z + 4) / 8."""
    brightness = np.clip(np.pad((codes + 4) / 8, ((0, 0), (0, 4 - codes.shape[1]))), 0, 1)
    return np.repeat(np.repeat(brightness, 16, axis=1)[:, None, :, None], 64, axis=3)


@pytest.fixture
def drawn() -> Portrait:
    values = values_of(CODES) * [[1], [1], [-1]]
    images = decoded(decode, CODES)
    return Portrait(LATENTS, values, traverse(decode, CODES, values), images, images // 2, CODES, decode)


def tile(sheet: NDArray[np.uint8], row: int, column: int, lines: int = 1, side: int = SIDE) -> NDArray[np.uint8]:
    top, left = lines * LINE + 66 * row, side + 66 * column
    return sheet[:, top : top + 64, left : left + 64]


def test_the_folder_has_the_promised_names_and_replaces_an_older_one(drawn: Portrait, tmp_path: Path) -> None:
    folder = tmp_path / "gif" / "1"
    (folder / "7").mkdir(parents=True)  # Of an older report with more samples.
    write_album(folder, drawn, {"trial_id": "t3"})
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    each = [f"{s}/traversal_latent_dim_{d}.gif" for s in range(2) for d in range(3)]
    assert names == sorted([*each, *ALBUM, "traversals.gif", "trial.json"])
    assert not (folder / "7").exists()
    assert json.loads((folder / "trial.json").read_text()) == {"trial_id": "t3"}
    assert [p.name for p in folder.parent.iterdir()] == ["1"]  # No temporary folder is left.
    for path in folder.rglob("*.gif"):
        with Image.open(path) as gif:
            expected = 20 if path.name == "interpolation.gif" else 24  # There and back, each end once.
            assert (gif.n_frames, gif.info["loop"]) == (expected, 0)  # type: ignore[attr-defined]


def test_a_contact_sheet_has_a_row_per_latent_in_the_given_order_and_greys_the_dead(drawn: Portrait) -> None:
    sheet = contact_sheet(drawn)
    assert sheet.shape == (1, LINE + 3 * 66, SIDE + 13 * 66)
    np.testing.assert_array_equal(tile(sheet, 0, 1), drawn.frames[0, 2, 1])
    np.testing.assert_array_equal(tile(sheet, 1, 12), drawn.frames[0, 0, 12])
    np.testing.assert_array_equal(tile(sheet, 2, 0), drawn.frames[0, 1, 0] // 3 + 96)


def test_a_latent_that_is_turned_falls_along_its_row_under_rising_labels(drawn: Portrait) -> None:
    """Latent 2's band, from row 32, is as bright as its value; the row's own variable, -z2, rises."""
    sheet = contact_sheet(drawn)
    brightness = [int(tile(sheet, 0, v)[0, 40, 5]) for v in range(13)]
    assert brightness == sorted(brightness, reverse=True)
    assert brightness[0] > 200 > 50 > brightness[-1]


def test_values_that_differ_between_latents_stand_beside_their_rows(drawn: Portrait) -> None:
    other = replace(drawn, values=drawn.values * [[1.0], [0.5], [2.0]])
    assert not np.array_equal(contact_sheet(other)[:, :LINE], contact_sheet(drawn)[:, :LINE])
    assert not np.array_equal(contact_sheet(other)[:, LINE:, :SIDE], contact_sheet(drawn)[:, LINE:, :SIDE])


def test_all_traversals_move_together_behind_their_image(drawn: Portrait) -> None:
    moving = overview(drawn.frames, drawn.images, LATENTS)
    assert moving.shape == (13, 1, 2 * LINE + 2 * 66, 4 * 66)
    for v in (0, 12):
        np.testing.assert_array_equal(tile(moving[v], 1, 0, lines=2, side=0), drawn.images[1])
        np.testing.assert_array_equal(tile(moving[v], 1, 1, lines=2, side=0), drawn.frames[1, 2, v])
        np.testing.assert_array_equal(tile(moving[v], 0, 3, lines=2, side=0), drawn.frames[0, 1, v] // 3 + 96)


def test_many_latents_fit_by_leaving_out_the_weakest() -> None:
    frames = np.zeros((1, 40, 3, 1, 8, 8), np.uint8)
    latents = [Latent(d, 1.0) for d in range(40)]
    assert overview(frames, frames[:, 0, 0], latents).shape[-1] == (1 + COLUMNS) * 10


def test_interpolation_walks_from_each_image_to_the_next(drawn: Portrait) -> None:
    still, moving = interpolations(drawn)
    assert still.shape == (1, LINE + 2 * 66, 13 * 66)
    np.testing.assert_array_equal(tile(still, 0, 0, side=0), drawn.images[0])
    np.testing.assert_array_equal(tile(still, 0, 1, side=0), decoded(decode, CODES[:1])[0])
    np.testing.assert_array_equal(tile(still, 1, 11, side=0), decoded(decode, CODES[:1])[0])  # Back to the first.
    np.testing.assert_array_equal(tile(still, 1, 12, side=0), drawn.images[0])
    assert moving.shape == (11, 1, LINE + 2 * 66, 3 * 66)
    np.testing.assert_array_equal(tile(moving[10], 0, 1, side=0), decoded(decode, CODES[1:])[0])


def test_one_image_is_enough(drawn: Portrait) -> None:
    alone = replace(drawn, codes=CODES[:1], images=drawn.images[:1], frames=drawn.frames[:1])
    assert interpolations(alone)[0].shape == (1, LINE + 66, 13 * 66)


def test_prior_samples_are_standard_normal_and_the_same_for_every_model(drawn: Portrait) -> None:
    seen = []

    def watched(codes: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(codes)
        return decode(codes)

    sheets = [prior_samples(replace(drawn, decode=watched)) for _ in range(2)]
    np.testing.assert_array_equal(*sheets)
    assert seen[0].shape == (64, 3)
    assert abs(seen[0].mean()) < 0.3
    assert abs(seen[0].std() - 1) < 0.2


def test_values_are_written_with_their_sign() -> None:
    assert [signed(v) for v in (-3, -0.5, -0.04, 0.0, 2.5)] == ["-3.0", "-0.5", "0.0", "0.0", "+2.5"]


def test_one_checkpoint_is_drawn_by_one_command(
    with_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = []
    monkeypatch.setattr("bvae.data.load", lambda source: (sources.append(source), FakeStore())[1])
    out = tmp_path / "new" / "drawn"
    for span in ("prior", "posterior"):  # The second time it replaces what it wrote.
        arguments = [str(with_checkpoint / "a.safetensors"), "--out", str(out), "--range", span]
        assert traversals.main(arguments) == 0
        assert json.loads((out / "trial.json").read_text())["range"] == span
    assert len(list(out.rglob("*.gif"))) == 4 * 3 + 2
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    assert sources == [None, None]


def test_the_images_are_those_of_the_study_around_the_checkpoint(
    with_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    info = json.loads((with_checkpoint / "study.json").read_text())
    info["data"] |= {"source": "/own.npz", "sha256": FakeStore.sha256}
    (with_checkpoint / "study.json").write_text(json.dumps(info))
    sources = []
    monkeypatch.setattr("bvae.data.load", lambda source: (sources.append(str(source)), FakeStore())[1])
    arguments = [str(with_checkpoint / "a.safetensors"), "--out", str(tmp_path / "drawn")]
    assert traversals.main(arguments) == 0
    assert traversals.main([*arguments, "--data", "moved.npz"]) == 0
    assert sources == ["/own.npz", "moved.npz"]
    monkeypatch.setattr(FakeStore, "sha256", "of others")
    assert traversals.main([*arguments, "--data", "others.npz"]) == 2
    assert "not those that the study made was trained on (/own.npz)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("checkpoint", "out", "says"),
    [
        ("gone.safetensors", "drawn", "gone.safetensors does not exist"),
        (".", "drawn", "is a folder"),
        ("study.json", "drawn", "is no whole checkpoint"),
        ("other.safetensors", "drawn", "but not a checkpoint of this project"),
        ("a.safetensors", ".", "holds no traversals"),
        ("a.safetensors", "study.json", "holds no traversals"),
    ],
)
def test_a_mistake_in_that_command_is_one_sentence(
    with_checkpoint: Path, checkpoint: str, out: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.numpy import save_file

    save_file({"w": np.zeros(3)}, with_checkpoint / "other.safetensors")
    before = sorted(with_checkpoint.rglob("*"))
    arguments = [str(with_checkpoint / checkpoint), "--out", str(with_checkpoint / out)]
    assert traversals.main(arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert len(error.splitlines()) == 1
    assert sorted(with_checkpoint.rglob("*")) == before


def test_its_help_fits_a_terminal_and_loads_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; from analysis.traversals import main; main(['--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--range {prior,posterior}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
