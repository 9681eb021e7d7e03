"""Lines by which a program can be seen to work: something is installed, it computes, it serves."""

from __future__ import annotations

from tfprov.diagnose.records import Rule
from tfprov.diagnose.view import CLUE, COMMANDS, COMMIT_DATED, COUNTED, SEARCHED, SUCCESS, TESTS_BEGIN, TESTS_END

_UNITS = ("it", "batch", "step", "epoch", "sample", "example", "img", "cell")
_UNIT = rf"(?:{'|'.join(_UNITS)})"
_RATES = (*(f"{unit}/s" for unit in _UNITS), *(f"s/{unit}" for unit in _UNITS))
_COUNTED = rf"\| {{0,3}}(?!0/)\d+/\d+ \[.{{1,30}}, {{1,4}}[\d.]+(?:{_UNIT}/s|s/{_UNIT})\b"
"""How far a bar of tqdm has come, and how fast; downloads have bytes in place of such a unit."""
_CUT_BAR = r"(?<!\d)\d{1,2}%\|"
"""A bar of tqdm that is not full. When an exception ends the loop, tqdm draws it once more, below the traceback."""
_THINGS = (
    *("episode", "record", "trial", "sample", "batch", "fold", "round", "item", "image", "frame", "request", "epoch"),
    *("generation", "rollout", "iteration", "iter", "step", "chunk", "page", "game", "simulation"),
)
"""What programs count while they work; attempts and workers are counted by those that start again."""
_INSTALLERS = ("pip", "pip3", "uv", "uv pip", "conda", "mamba", "micromamba")
_VERBS = ("install", "download", "wheel", "sync", "add", "lock", "run", "create", "update", "compile")

RULES: tuple[Rule, ...] = (
    Rule(
        name=SUCCESS,
        code=CLUE,
        reads="",
        needs=(
            "installed 1 package in",
            " package in ",
            *("successfully installed", "successfully downloaded"),
            "packages in",
            "congratulations :)",
            " was successful",
        ),
        pattern=r"(?P<is_success>Successfully (?:installed|downloaded) |\bInstalled \d+ packages? in |^congratulations :\)|\bSession \S+ was successful)",
        examples=(
            "Successfully installed tensorflow-2.18.0",
            "Successfully downloaded tensorflow numpy",
            "  congratulations :) (19.40 seconds)",
            "nox > Session tests-3.12 was successful.",
        ),
        rank=0,
    ),
    Rule(
        name="working",
        code=CLUE,
        reads="",
        needs=(
            "rmse",
            "acc:",
            "acc :",
            "acc=",
            "acc =",
            'acc":',
            'acc" :',
            'acc"=',
            'acc" =',
            "acc':",
            "acc' :",
            "mae:",
            "mae :",
            "mae=",
            'mae"',
            "mse",
            "auc:",
            "auc :",
            "auc=",
            'auc"',
            "predict",
            "weights",
            "result",
            "epoch",
            "loss",
            "accuracy",
            "step",
            "tensor(",
            "physicaldevice(",
            "logicaldevice(",
            "device_type",
            "total params",
            "running on http",
            "uvicorn running",
            "listening",
            "elapsed",
            "total time",
            "exit code 0",
            "training",
            "prediction",
            "inference",
            "evaluat",
            "saved",
            "finished",
            "complete",
            "hello, tensorflow",
            "__version__",
            *("global_step/sec", "saving checkpoints for ", "iter ", "iter:", "iter=", "iteration"),
            *(
                "images/s",
                "examples/s",
                "samples/s",
                "s/sample",
                "numpy=",
                "untraced functions",
                "mlir optimization passes",
                "assets written",
            ),
            "tests ran",
            "build files have been written to",
            *(" passed in", " passed, "),
            *_RATES,
        ),
        pattern=rf"^(?!.*{_CUT_BAR}).*?"
        rf"(?P<is_working>\b100%\|.{{1,300}}{_COUNTED}"
        r"|\bEpoch:? ?\[?\d+|(?:\b|_)(?:loss|acc(?:uracy)?|rmse|mae|mse|auc)[\"']?\s?[:=]\s?\d|\b(?:[Tt]raining|[Ee]pochs?|[Ss]teps?|[Ee]valuat\w*|[Pp]redict\w*|[Ii]nference)\b.{0,200}\d(?:it/s|s/it)\]|(?<!job )(?<!\*\*\* )\bstep[s:=]? ?\d+|^<?tf\.Tensor\((?!shape)|\b(?:Physical|Logical)Device\(name=|device_type: \"CPU\"|Total params:|[Rr]unning on http|Uvicorn running|[Ll]istening (?:on|at)\b"
        r"|[Ee]lapsed[:= ]|[Tt]otal time|exit code 0\b|\b(?:[Tt]raining|[Pp]redict\w*|[Ii]nference|[Ee]valuat\w*)\b.{0,40}(?:start|finish|complete|done|took|time|\d+ ?%|: \d)|\b(?:[Mm]odel|[Cc]heckpoint|[Rr]esults?|[Ww]eights?) .{0,40}saved|\b(?:[Ff]inished|[Cc]ompleted) (?:in|after|successfully)|[Hh]ello, TensorFlow|^=* ?\d+ passed(?:, \d+ (?!failed|error)\w+){0,5} in [\d.]+s|__version__\)?['\"]?\s+['\"]?\d+\.\d+"
        r"|\d+m?s/(?:step|sample|epoch)\b|\bglobal_step/sec\b|\bSaving checkpoints for \d|\b(?:images|examples|samples)/s(?:ec)?\b|\b[Ii]ter(?:ation)?\b[ #:=]{1,2}\d|^<?tf\.Tensor: .{0,300}\bnumpy=|MLIR [Oo]ptimization [Pp]asses are enabled|\buntraced functions such as|\bAssets written to: |^-- Build files have been written to: )",
        examples=(
            "train_loss: 0.0046",
            "[PhysicalDevice(name='/physical_device:CPU:0', device_type='CPU')]",
            "1/1 ━━━━━━━━━━━━━━━━━━━━ 0s 26ms/step",
            "INFO:tensorflow:global_step/sec: 4.15",
            "INFO:tensorflow:Saving checkpoints for 0 into /tmp/model/model.ckpt.",
            "30\timages/sec: 101.4 +/- 0.3 (jitter = 1.2)",
            "iter 100: 3041ms",
            "I tensorflow/compiler/mlir/mlir_graph_optimization_pass.cc:176] None of the MLIR Optimization Passes are enabled",
            "INFO:tensorflow:Assets written to: model/assets",
            "-- Build files have been written to: /srv/lib/build",
            "<tf.Tensor: shape=(), dtype=float32, numpy=7.0>",
            "100%|██████████| 300/300 [00:01<00:00, 290.12it/s]",
        ),
        rank=0,
    ),
    Rule(
        name="progressing",
        code=CLUE,
        reads="",
        needs=_RATES,
        pattern=rf"(?P<is_progressing>{_CUT_BAR}.{{1,300}}{_COUNTED})",
        examples=(
            " 38%|███▊      | 37/118 [00:01<00:02, 31.20it/s]",
            "fold 2:   7%|#6        | 3/41 [00:19<04:02,  6.38s/it]",
        ),
        rank=0,
    ),
    # What the run itself ignores. `set -x` prints what stands after `||`, which only runs where a command failed.
    Rule(
        name="ignored",
        code=CLUE,
        reads="",
        needs=(" (ignored)", "...ignoring", "+ true"),
        pattern=r"(?P<is_ignored>^make(?:\[\d+\])?: .*\bError -?\d+ \(ignored\)|^\.\.\.ignoring\b|^\++ true$)",
        examples=("make: [Makefile:2: all] Error 1 (ignored)", "...ignoring", "+ true"),
        rank=0,
    ),
    # The next command of a traced script, and the next step of GitHub or Azure.
    Rule(
        name="traced",
        code=CLUE,
        reads="",
        needs=("python", "pip", "bash", "make", "pytest", "starting: "),
        pattern=r"(?P<is_traced>^\++ (?:\S*/)?(?:python|pip|bash|make|pytest)[\d.]*(?: |$)|^Run (?:python|pip|bash|make|pytest)\b|^Starting: \S)",
        examples=("+ python3 train.py", "++ venv/bin/pip list", "##[group]Run pytest -q", "##[section]Starting: Test"),
        rank=0,
    ),
    # What the whole run says of its parts at its end; that one of them was successful says nothing of the others.
    Rule(
        name="failed-in-the-end",
        code=CLUE,
        reads="",
        needs=(": failed", ": fail ", "evaluation failed :("),
        pattern=r"(?P<is_failed>^nox > \* \S+: failed|^\s*\S+: FAIL (?:✖ |code |in )|^\s*evaluation failed :\()",
        examples=(
            "nox > * tests-3.12: failed, took 4 seconds",
            "  py311: FAIL code 1 (4.20 seconds)",
            "  evaluation failed :( (4.31 seconds)",
        ),
        rank=0,
    ),
    Rule(
        name="activated",
        code=CLUE,
        reads="",
        needs=("conda activate", "mamba activate", "bin/activate", "scripts\\activate", "source activate", "workon "),
        pattern=r"(?P<is_activated>\b(?:conda|mamba|source) activate\b|\bbin/activate\b|\bScripts\\activate\b|(?:^|[$%>#] )workon \w)",
        examples=(
            "$ conda activate tf",
            "% source ~/venvs/tf/bin/activate",
            "PS C:\\work> .\\venv\\Scripts\\activate",
            "$ workon tf",
        ),
        rank=0,
    ),
    # One thing after the other. Where the number rises after a failure, the program has survived it.
    Rule(
        name=COUNTED,
        code=CLUE,
        reads="",
        needs=tuple(_THINGS),
        pattern=rf"(?P<is_counted>\b(?:{'|'.join(_THINGS)})[ #:=_-]{{1,2}}\d{{1,9}}\b)",
        examples=("episode 12: agent moved to (3,4)", "INFO etl: record 4 ok", "Trial 3 Complete [00h 00m 03s]"),
        rank=0,
        latest=4,
    ),
    Rule(
        name=TESTS_BEGIN,
        code=CLUE,
        reads="",
        needs=("test session starts", "test_", " failures =", " errors =", "fail: "),
        pattern=r"(?P<is_tests_begin>^=+ (?:test session starts|FAILURES|ERRORS) =+|^test_\w{1,200} \([\w.]{1,300}\) \.\.\. |^FAIL: \w+ \()",
        examples=(
            "============ FAILURES ============",
            "FAIL: test_load (test_a.T.test_load)",
            "============ test session starts ============",
            "test_load (test_a.T.test_load) ... ok",
        ),
        rank=0,
        latest=4,
    ),
    Rule(
        name=TESTS_END,
        code=CLUE,
        reads="",
        needs=(" passed", " failed", " error", " skipped", "xfailed", "deselected", "tests in", "test in", "failed ("),
        pattern=r"(?P<is_tests_end>^=* ?\d+ (?:passed|failed|skipped|errors?|xfailed|deselected)\b.* in [\d.]+s|^Ran \d+ tests? in [\d.]+s\s+OK\b|^FAILED \((?:errors|failures)=)",
        examples=(
            "=========== 2 passed, 3 skipped, 1 xfailed in 0.72s ===========",
            "Ran 2 tests in 0.104s\n\nOK",
            "FAILED (errors=1)",
        ),
        rank=0,
        span=3,
        latest=4,
    ),
    Rule(
        name=COMMANDS,
        code=CLUE,
        reads="",
        needs=tuple(f"{tool} {verb}" for tool in _INSTALLERS for verb in _VERBS),
        pattern=rf"^(?P<is_command>(?:[\w@.:~/() -]{{0,80}}[$%>#] |\++ |Run |RUN |Step \d+/\d+ : RUN )?(?:sudo )?(?:\S*python[\d.]* -m |\S{{0,200}}/)?(?:{'|'.join(_INSTALLERS)}) (?:{'|'.join(_VERBS)})\b)",
        examples=("$ pip install tensorflow", "+ uv sync --locked", "Run pip3 install -r requirements.txt"),
        rank=0,
        latest=4,
    ),
    Rule(
        name=COMMIT_DATED,
        code=CLUE,
        reads="",
        needs=("date: ",),
        pattern=r"^(?P<is_commit_dated>(?:Author|Commit)?Date: +[A-Z][a-z]{2} [A-Z][a-z]{2} \d{1,2} [\d:]{8} \d{4} [+-]\d{4}$)",
        examples=("Date:   Mon Mar 2 16:52:01 2026 +0100",),
        rank=0,
        latest=12,
    ),
    Rule(
        name=SEARCHED,
        code=CLUE,
        reads="",
        needs=("failed to inspect python interpreter",),
        pattern=r"^(?P<is_searched>warning: Failed to inspect Python interpreter )",
        examples=("warning: Failed to inspect Python interpreter from search path at `/x/shims/python3.10`",),
        rank=0,
        latest=12,
    ),
)
