"""Every log of the corpus through the classifier, as it is and as other programs hand it on."""

from __future__ import annotations

import functools
import random
import re
from io import BytesIO

import pytest

from corpus_logs import FOLDER, MESSAGES, Log, faults, read, read_public, root_of
from laws import times, unhurried
from log_chains import broken
from log_variants import VARIANTS, last_lines, padding
from tfprov.diagnose import scan, vocabulary
from tfprov.diagnose.diagnose import diagnose
from tfprov.errors import CODES

LOGS = read()
SHOWN = read_public()
# What the classifier cannot do yet: `NAME`, or `VARIANT:NAME`. A line whose log is right must go: the tests see to it.
KNOWN_MISSES = frozenset((FOLDER / "known-misses.txt").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_the_root_cause_of_a_log_is_found(log: Log) -> None:
    wrong = faults(log, diagnose(BytesIO(log.content), log.context))
    assert (wrong != []) == (log.name in KNOWN_MISSES), wrong or "right now: take its name out of known-misses.txt"


@functools.cache
def plain_root(number: int) -> object:
    log = LOGS[number]
    return root_of(diagnose(BytesIO(log.content), log.context))


@pytest.mark.parametrize("half", [0, pytest.param(1, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "plain"])
def test_a_log_that_another_program_handed_on_is_judged_like_the_log_itself(variant: str, half: int) -> None:
    change = VARIANTS[variant]
    # Half of the variants see the other half first.
    ours = [*enumerate(LOGS)][(half + len(variant)) % 2 :: 2]
    differs = set()
    for number, log in ours:
        plain, changed = plain_root(number), change(log.content)
        # In most logs there is nothing to translate.
        if changed != log.content and plain != root_of(diagnose(BytesIO(changed), log.context)):
            differs.add(f"{variant}:{log.name}")
    assert differs == KNOWN_MISSES & {f"{variant}:{log.name}" for _, log in ours}


def test_a_log_far_inside_of_what_says_nothing_is_judged_like_the_log_itself() -> None:
    before, after = padding(400_000), padding(100_000, seed=2)
    differs = set()
    for number, log in list(enumerate(LOGS))[:: len(LOGS) // 20]:
        handed_on = before + log.content.rstrip(b"\n") + b"\n" + after
        if plain_root(number) != root_of(diagnose(BytesIO(handed_on), log.context)):
            differs.add(log.name)
    assert differs == set()


def test_the_last_thirty_lines_of_a_log_tell_the_same_cause() -> None:
    differs = set()
    for log in LOGS:
        root = root_of(diagnose(BytesIO(last_lines(30)(log.content)), log.context))
        if root not in log.roots and root != root_of(diagnose(BytesIO(log.content), log.context)):
            differs.add(f"{log.name}: {root}")
    assert differs == set()


def test_a_log_behind_more_words_than_a_language_has_is_judged_like_the_log_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vocabulary, "_MOST_WORDS", 200)
    chooser = random.Random(1)
    before = "".join("".join(chooser.choices("bdfgjkqvxz", k=8)) + " x\n" for _ in range(300)).encode()
    wrong = [
        log.name
        for log in (*LOGS[::9], *SHOWN[::9])
        if faults(log, diagnose(BytesIO(before + log.content), log.context))
    ]
    assert set(wrong) <= KNOWN_MISSES


@pytest.mark.parametrize("end", [b"\n", b" "], ids=["of its own", "in the same line"])
def test_a_log_behind_an_endless_line_is_judged_like_the_log_itself(
    end: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The words and rules of what says nothing are given up within the line.
    monkeypatch.setattr(scan, "_ENDLESS", 10_000)
    monkeypatch.setattr(vocabulary, "_WIDE_VAIN_TRIES", 5)
    before = padding(2 * scan._ENDLESS).replace(b"\n", b" ") + end
    for log in LOGS[::60]:
        content = log.content if end == b"\n" else log.content.replace(b"\n", end)
        roots = (*log.roots, root_of(diagnose(BytesIO(content), log.context)))
        assert root_of(diagnose(BytesIO(before + content), log.context)) in roots, log.name


@unhurried
def test_any_chain_of_programs_that_hand_a_log_on_keeps_its_cause() -> None:
    wrong = [told for told in (broken(LOGS, seed) for seed in range(times(200))) if told]
    assert wrong == []


@pytest.mark.parametrize("log", SHOWN, ids=lambda log: log.name)
def test_the_cause_that_a_public_thread_came_to_is_found(log: Log) -> None:
    assert faults(log, diagnose(BytesIO(log.content))) == []
    assert faults(log, diagnose(BytesIO(last_lines(30)(log.content)))) == []


def test_the_cause_that_a_message_of_a_tool_tells_is_found() -> None:
    messages = read_public(MESSAGES)
    assert len(messages) > 500
    assert [told for log in messages for told in faults(log, diagnose(BytesIO(log.content)))] == []


@unhurried
def test_any_chain_of_programs_that_hand_a_public_log_on_keeps_its_cause() -> None:
    assert [told for told in (broken(SHOWN, seed) for seed in range(times(60))) if told] == []


def test_a_public_failure_that_no_code_describes_is_unknown_and_harmless_words_are_noise() -> None:
    said = {
        log.name: [one.role for one in diagnose(BytesIO(log.content)).findings][:1]
        for log in SHOWN
        if not log.code and log.folder != "quiet"
    }
    assert said == {
        "eighteenth-tpu_kernel_missing": ["unknown"],
        "eighth-colab_tpu_unavailable": ["unknown"],
        "eighth-jetson_allocator_nano": ["noise"],
        "eighth-protobuf_gencode_warning": ["noise"],
        "eleventh-bfc_not_failure": ["noise"],
        "eleventh-conda_unexpected_http": ["unknown"],
        "eleventh-hadoop_pi4": ["noise"],
        "eleventh-wsl_symlink_noise": ["noise"],
        "fifth-bazel_ampersand": ["unknown"],
        "first-cudart_dll_alone": ["noise"],
        "first-cudart_while_working": ["noise"],
        "nineteenth-job_credential_expired": ["unknown"],
        "nineteenth-serving_server_not_found": ["unknown"],
        "ninth-bazel_transition_mac": ["unknown"],
        "ninth-pip_keyerror_nightly": ["unknown"],
        "ninth-tfa_eol_note": ["noise"],
        "ninth-torque_queue_memory": ["unknown"],
        "second-ptxas_driver_trains": ["noise"],
        "second-tensorboard_pip_daemon": ["unknown"],
        "seventeenth-azure_install_numpy": ["unknown"],
        "seventeenth-gradient_of_tape": ["unknown"],
        "seventeenth-jax_ptxas_old_warning": ["noise"],
        "seventh-prompt_pasted": ["unknown"],
        "seventh-singularity_in_wsl": ["unknown"],
        "seventh-tfjob_failed": ["unknown"],
        "sixth-kubectl_crashloop": ["unknown"],
        "sixth-operator_script_missing": ["unknown"],
        "sixth-tensor_no_numpy": ["unknown"],
        "tenth-cudart_exit_zero": ["noise"],
        "tenth-dtype_size_warning": ["noise"],
        "twelfth-hub_missing_loader": ["unknown"],
        "twelfth-hub_tf1_format": ["unknown"],
        "twentieth-mediapipe_windows_converter": ["unknown"],
        "twenty-eighth-csv_label_key": ["unknown"],
        "twenty-eighth-dannce_cupti": ["unknown"],
        "twenty-eighth-epgn_nan": [],
        "twenty-eighth-epos_loss_nan": [],
        "twenty-eighth-essentia_predict_name": ["cause"],
        "twenty-eighth-field_boundary_input": ["unknown"],
        "twenty-eighth-irs_incompatible_layer": ["unknown"],
        "twenty-eighth-kohya_flux_answer": ["noise"],
        "twenty-eighth-kohya_trainer_nvinfer": ["noise"],
        "twenty-eighth-maix_shapes": ["unknown"],
        "twenty-eighth-monodepth_checkpoint": ["noise"],
        "twenty-eighth-multiview_stuck": [],
        "twenty-eighth-nsfw_cpu_server": ["noise"],
        "twenty-eighth-nsfw_not_on_path": ["cause"],
        "twenty-eighth-nudenet_self_shadow": ["noise"],
        "twenty-eighth-object_detector_pipeline_file": ["unknown"],
        "twenty-eighth-raccoon_record_windows": ["noise"],
        "twenty-eighth-tfod_label_key": ["unknown"],
        "twenty-eighth-uv_add_214_mac": [],
        "twenty-eighth-wakeword_cell7": ["noise"],
        "twenty-ninth-conda_pip_output_lost": [],
        "twenty-ninth-deepvariant_banner": [],
        "twenty-ninth-hls4ml_notebook_start": [],
        "twenty-ninth-opennmt_filling_buffer": ["noise"],
        "twenty-ninth-opennmt_work_element": ["noise"],
        "twenty-ninth-proteinfold_sif": [],
        "twenty-fifth-autokeras_tuple_shape": ["unknown"],
        "twenty-fifth-cloudml_os_error": ["unknown"],
        "twenty-fifth-cloudml_r_status": ["unknown"],
        "twenty-fifth-deepmd_lmp_quiet": ["noise"],
        "twenty-fifth-deepmd_openib_ignored": ["noise"],
        "twenty-fifth-heroku_slug": ["unknown"],
        "twenty-fifth-hub_cache_emptied": ["unknown"],
        "twenty-fifth-keras_two_objects": ["unknown"],
        "twenty-fifth-model_of_mlcompute": ["unknown"],
        "twenty-fifth-one_build_importlib": [],
        "twenty-fifth-sagemaker_copy_failed": ["unknown"],
        "twenty-fifth-sagemaker_no_reason": ["unknown"],
        "twenty-fifth-vertex_tpu_name": ["unknown"],
        "twenty-first-frigate_tpu_context": ["unknown"],
        "twenty-first-onnx_no_such_file": [],
        "twenty-first-wakeword_model_absent": ["unknown"],
        "twenty-fourth-dlc_cpu_training": ["noise"],
        "twenty-fourth-easybuild_bazel_127": ["unknown"],
        "twenty-fourth-redzone_mismatch": ["unknown"],
        "twenty-fourth-sleap_loop_cancelled": [],
        "twenty-fourth-slurm_script_gone": ["unknown"],
        "twenty-fourth-slurm_without_mpirun": ["unknown"],
        "twenty-fourth-spleeter_ffmpeg_reads_nothing": ["unknown"],
        "twenty-second-dlc_preload_ignored": ["noise"],
        "twenty-second-sagemaker_features": ["unknown"],
        "twenty-seventh-coremltools_on_windows": ["cause"],
        "twenty-seventh-nixpack_type_error": ["unknown"],
        "twenty-seventh-ultralytics_autoupdate": ["unknown"],
        "twenty-sixth-dlc_yaml_invalid": ["unknown"],
        "twenty-sixth-dmn_private_logger": ["unknown"],
        "twenty-sixth-pi_docker_build_failed": ["unknown"],
        "twenty-third-keras_graph_execution": ["unknown"],
        "twenty-third-reticulate_conda_binary": ["unknown"],
        "twenty-third-reticulate_windows_virtualenv": ["unknown"],
        "twenty-third-serving_stuck": [],
        "twenty-third-singularity_libs_dir": ["unknown"],
        "twenty-third-singularity_squashfs": ["unknown"],
        "twenty-third-spleeter_no_probe": [],
        "twenty-third-spleeter_path_length": ["unknown"],
        "twenty-third-tfjob_service_account": ["unknown"],
    }


@pytest.mark.parametrize("log", [log for log in SHOWN if log.folder == "quiet"], ids=lambda log: log.name)
def test_a_public_log_of_something_that_worked_tells_of_nothing_but_noise(log: Log) -> None:
    assert {one.role for one in diagnose(BytesIO(log.content)).findings} <= {"noise"}


def test_known_misses_are_logs_of_the_corpus() -> None:
    assert {name.rpartition(":")[2] for name in KNOWN_MISSES} <= {log.name for log in LOGS}


def test_lines_that_say_nothing_are_no_fault() -> None:
    assert diagnose(BytesIO(padding(300_000))).root is None


def test_the_corpus_holds_every_group_and_says_where_a_log_comes_from() -> None:
    labels = {CODES[log.code].group.label for log in LOGS if log.code}
    wanted = {"interpreter", "platform", "network", "artifact", "machine", "resolve", "python-deps", "gpu"}
    assert labels >= wanted
    assert all(log.folder in (*log.groups[:1], "clean", "noise") for log in LOGS)
    assert {log.made for log in LOGS} == {"provoked", "by message format"}
    assert len({log.name for log in LOGS}) == len(LOGS)
    assert len({log.name for log in SHOWN}) == len(SHOWN) >= 856
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", log.made) for log in SHOWN)


def test_the_corpus_names_no_machine_and_no_registry() -> None:
    for log in (*LOGS, *SHOWN, *read_public(MESSAGES)):
        text = log.content.decode("utf-8", "replace")
        for word in ("/ro" + "ot/", "127.0.0.1", "localhost:", "python" + "hosted", "anaconda" + ".org"):
            assert word not in text, (log.name, word)
