"""Packages around TensorFlow that belong to one release of it: their libraries, their checks, what they import of it."""

from __future__ import annotations

from tfprov.diagnose.records import NOTHING, Case, Rule
from tfprov.diagnose.rules.loader import OF_WHEELS

_OTHERS = r"(?:site|dist)-packages[/\\](?P<package>(?!tensorflow[/\\]|tensorflow_core[/\\]|tensorflow-plugins|jaxlib|torch[/\\]|nvidia[/\\]|h5py)[\w-]+)[/\\]"
"""Of a path: the package whose file it is, where that is neither TensorFlow itself nor one with a rule of its own."""
_ITS_SYMBOLS = (
    r"_{1,2}Z\w*(?:tensorflow|tflite|stream_executor|3tsl|3xla|4absl|6google8protobuf)\w*|TF_\w+|TFE_\w+|TSL_\w+"
)

_OF_COMPANIONS = "Sentencepiece|Wordpiece|RegexSplit|NormalizeUTF8|CaseFoldUTF8|Addons>|IO>|SimpleML|Text>|TFText>"
"""How the operations begin that other packages register."""
_OTHERS_OPERATIONS = rf"{_OF_COMPANIONS}|TRT|MLC|Cudnn|Nccl|Horovod"
"""Those, and operations that a build without a library of NVIDIA's or Apple's does not have."""

_OF_TF1 = (
    r"(?:Interactive)?Session|(?:sparse_)?placeholder(?:_with_default)?|ConfigProto|GPUOptions|reset_default_graph|get_variable|variable_scope"
    r"|(?:global|local|all|trainable)_variables\w*|initialize_all_variables|assign_(?:add|sub)|set_random_seed|random_(?:normal|uniform|shuffle|crop)|truncated_normal"
    r"|contrib|estimator|app|flags|logging|layers|gfile|log|to_(?:float|double|int32|int64)|decode_raw|read_file|parse_(?:single_)?example|py_func"
    r"|mod|div|ceil|sub|mul|neg|pack|unpack|matrix_inverse|reduce_join|diag|global_norm|assert_\w+|random_uniform_initializer"
    r"|enable_eager_execution|disable_(?:v2_behavior|eager_execution)|(?:get|add)_(?:to_)?collection|GraphKeys|AUTO_REUSE|no_regularizer|sparse_\w+|string_\w+"
)
"""Names of the top of TensorFlow 1 that TensorFlow 2 has elsewhere or no longer."""
_OF_TF1_ALONE = (
    r"InteractiveSession|(?:sparse_)?placeholder(?:_with_default)?|ConfigProto|GPUOptions|reset_default_graph|variable_scope"
    r"|(?:global|local|all)_variables_initializer|set_random_seed|random_(?:normal|uniform)|truncated_normal"
)
"""Those of them that nothing else has, for messages that name no module."""

_OF_NEWER = (
    r"GradientTape|function|config|optimizers|data|Module|TensorSpec|RaggedTensor(?:Spec)?|ragged|distribute|autograph|nest|random|math|linalg|strings"
    r"|lite|lookup|metrics|losses|initializers|raw_ops|(?:py|numpy)_function|audio|debugging|sparse|signal|saved_model|vectorized_map|switch_case|recompute_grad"
)
"""Names of the top of TensorFlow that 1.x has not, or not from the beginning."""

RULES: tuple[Rule, ...] = (
    Rule(
        name="tensorflow-older-than-program",
        code="tensorflow-too-old",
        reads="CPython 2 and 3, TensorFlow 1 and 2.0: a program that calls what came later",
        needs=("module 'tensorflow", "object has no attribute", "from 'tensorflow'"),
        pattern=rf"(?<!initialized )module 'tensorflow' has no attribute '(?P<name>{_OF_NEWER})'|cannot import name '(?P<name__from>{_OF_NEWER})' from 'tensorflow'(?! \((?!.*-packages))"
        r"|module 'tensorflow(?:_core)?\._api\.v1(?:\.\w+)*' has no attribute '(?P<name__v1>(?!__internal__|seq2seq|rnn)\w+)'"
        r"|module 'tensorflow(?:_core)?[\w.]*\.config(?:\.experimental)?' has no attribute '(?P<name__config>(?:list|get)_(?:physical|logical|visible)_devices|set_\w+)'"
        r"|module 'tensorflow(?:_core)?\._api\.v2\.experimental' has no attribute '(?P<name__experimental>\w+)'"
        r"|module 'tensorflow\.python\.util\.compat' has no attribute '(?P<name__compat>v[12])'"
        r"|'module' object has no attribute '(?P<name__py2>GradientTape|list_(?:physical|logical)_devices)'",
        examples=(
            "AttributeError: module 'tensorflow' has no attribute 'GradientTape'",
            "AttributeError: module 'tensorflow._api.v1.config' has no attribute 'list_physical_devices'",
            "AttributeError: module 'tensorflow_core._api.v2.config' has no attribute 'list_physical_devices'",
            "AttributeError: module 'tensorflow.python.util.compat' has no attribute 'v1'",
            "AttributeError: module 'tensorflow._api.v2.experimental' has no attribute 'dtensor'",
            "ImportError: cannot import name 'RaggedTensor' from 'tensorflow' (/x/site-packages/tensorflow/__init__.py)",
        ),
        rank=57,
        cases=(
            Case(when="in-companion", code="companion-mismatch"),
            Case(when="asked-by-keras", code="keras-mismatch"),
        ),
        follows=("numpy-abi", "protobuf-mismatch", "shadowed-module"),
    ),
    Rule(
        name="tf1-code",
        code="tf1-code",
        reads="CPython 2 and 3, TensorFlow 2, Colab: a program that calls what only TensorFlow 1 has",
        needs=(
            "has no attribute",
            "has no atribute",
            "no module named",
            "name 'contrib",
            "name contrib",
            "with eager execution",
            "when eager execution",
            "session graph is empty",
            "tensorflow 1 is unsupported",
            "cannot import name",
        ),
        pattern=rf"\btensorflow['\"`]? has no att?ribute ['\"`]?(?P<name>{_OF_TF1})\b|'module' object has no attribute '(?P<name__py2>{_OF_TF1_ALONE})'"
        r"|module 'tensorflow(?:\._api\.v\d)?\.compat\.v1' has no attribute '(?P<name__estimator>estimator)'"
        r"|module 'tensorflow(?:_core)?\.(?:_api\.v2\.|compat\.v2\.)?(?P<module>train|nn|summary|losses|metrics|image|io|math|estimator|data)' has no attribute '(?P<name__in>\w*Optimizer|\w+_global_step|start_queue_runners|Coordinator|string_input_producer|shuffle_batch|\w*Saver|rnn_cell|dynamic_rnn|static_rnn|xw_plus_b|FileWriter|merge_all|scalar_summary|make_one_shot_iterator|mean_squared_error)'"
        r"|module 'tensorflow(?:_core)?\.(?:_api\.v2\.)?compat\.v[12]' has no attribute 'contrib'|No module named '?tensorflow\.(?:compat\.v1\.)?(?:contrib|examples)\b|cannot import name '?contrib'? from '?tensorflow|cannot import name 'contrib'"
        rf"|cannot import name '(?:(?P<name__imported>{_OF_TF1_ALONE})'|(?P<name__from>{_OF_TF1})' from 'tensorflow')"
        r"|`?(?:tf\.)?\w*(?:placeholder|gradients|queue_runner|input_producer|Saver|hessians)\w*(?:\(\))?`? is not (?:compatible with|supported when) eager execution"
        r"|should be a function when eager execution is enabled|The Session graph is empty|Tensorflow 1 is unsupported in Colab",
        examples=(
            "AttributeError: module 'tensorflow' has no attribute 'placeholder'",
            "AttributeError: module 'tensorflow._api.v2.train' has no attribute 'AdamOptimizer'",
            "AttributeError: module 'tensorflow_core._api.v2.train' has no attribute 'Optimizer'",
            "ModuleNotFoundError: No module named 'tensorflow.contrib'",
            "RuntimeError: tf.placeholder() is not compatible with eager execution.",
            "RuntimeError: tf.gradients is not supported when eager execution is enabled. Use tf.GradientTape instead.",
            "RuntimeError: The Session graph is empty. Add operations to the graph before calling run().",
            "ValueError: Tensorflow 1 is unsupported in Colab.",
            "AttributeError: module 'tensorflow.compat.v1' has no attribute 'contrib'",
            "ImportError: cannot import name 'ConfigProto'",
            "ImportError: cannot import name 'Session' from 'tensorflow' (/x/site-packages/tensorflow/__init__.py)",
        ),
        rank=57,
        cases=(
            Case(when="in-companion", code="companion-mismatch"),
            Case(when="asked-by-package", code="companion-mismatch"),
        ),
        follows=("numpy-abi", "protobuf-mismatch", "shadowed-module"),
    ),
    Rule(
        name="operation-unknown",
        code="tensorflow-too-old",
        reads="TensorFlow: a saved model or graph with an operation that this release does not have, or that a package registers when it is imported",
        needs=("op type not registered", "missing from the python registry"),
        pattern=rf"Op type not registered '(?P<operation>(?!{_OTHERS_OPERATIONS})\w+)'|ops missing from the python registry \(\{{'(?P<operation__graph>(?!{_OTHERS_OPERATIONS})\w+)'",
        examples=(
            "FileNotFoundError: Op type not registered 'DisableCopyOnRead' in binary running on host.",
            "NotFoundError: Graph ops missing from the python registry ({'Einsum'}) are also absent from the c++ registry.",
        ),
        rank=56,
        follows=("gpu", "platform"),
    ),
    Rule(
        name="lite-operation-unknown",
        code="tensorflow-too-old",
        reads="TensorFlow Lite: a model with an operation, or a version of one, that this interpreter does not have",
        needs=("op for builtin opcode", "ops are not supported by this interpreter"),
        pattern=r"Didn't find op for builtin opcode '(?P<operation>\w+)'|Regular TensorFlow ops are not supported by this interpreter",
        examples=(
            "ValueError: Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'. An older version of this builtin might be supported.",
        ),
        rank=56,
    ),
    Rule(
        name="plug-in-of-other-release",
        code="companion-mismatch",
        reads="XLA: the plug-in of a device was built for another release of what loads it",
        needs=("mismatched pjrt plugin",),
        pattern=r"Mismatched PJRT plugin PJRT API (?:major )?version",
        examples=(
            "INVALID_ARGUMENT: Mismatched PJRT plugin PJRT API version (0.40) and framework PJRT API version 0.54).",
        ),
        rank=58,
    ),
    Rule(
        name="operation-of-companion",
        code="companion-mismatch",
        reads="TensorFlow: a saved model with an operation of TensorFlow Text, Addons, I/O or Decision Forests, which is not imported or not installed",
        needs=("op type not registered", "missing from the python registry"),
        pattern=rf"Op type not registered '(?P<operation>{_OF_COMPANIONS})|ops missing from the python registry \(\{{'(?P<operation__graph>{_OF_COMPANIONS})",
        examples=(
            "NotFoundError: Op type not registered 'SentencepieceOp' in binary running on host.",
            "NotFoundError: Op type not registered 'Addons>Gelu' in binary running on host.",
        ),
        rank=56,
        follows=("gpu", "platform"),
    ),
    Rule(
        name="companion-symbol",
        code="companion-mismatch",
        reads="ld.so and dyld: the library of a package asks for a symbol that this TensorFlow does not have",
        needs=("undefined symbol", "symbol not found"),
        pattern=rf"{_OTHERS}.{{0,300}}?(?:undefined symbol|[Ss]ymbol not found): '?_?(?:{_ITS_SYMBOLS})",
        examples=(
            "tensorflow.python.framework.errors_impl.NotFoundError: /x/site-packages/tensorflow_text/python/ops/_boise.so: undefined symbol: _ZN6tflite4shim23TfShapeInferenceContextC1EPN10tensorflow15shape_inference16InferenceContextE",
            "caused by: ['/x/site-packages/tensorflow_io/python/ops/libtensorflow_io.so: undefined symbol: _ZN3tsl8str_util9LowercaseB5cxx11ESt17basic_string_viewIcSt11char_traitsIcEE']",
            "ImportError: dlopen(/x/site-packages/tensorflow_text/core/pybinds/tflite_registrar.so, 0x0002): Symbol not found: __ZN4absl12lts_2022062320raw_logging_internal21internal_log_functionE",
        ),
        rank=64,
        follows=("metal-plugin-mismatch",),
    ),
    Rule(
        name="operation-symbol",
        code="companion-mismatch",
        reads="ld.so: a library of operations that was built for another TensorFlow, wherever it lies",
        needs=("undefined symbol",),
        pattern=rf"(?<!_pywrap_tensorflow_internal\.so: )undefined symbol: (?P<symbol>{_ITS_SYMBOLS})|\b_\w+_ops\.so: undefined symbol\b(?!: )|undefined symbol\b(?!: ).{{0,80}}\btensorflow_(?!core)\w",
        examples=(
            "tensorflow.python.framework.errors_impl.NotFoundError: /x/_activation_ops.so: undefined symbol: _ZN10tensorflow12OpDefBuilder4AttrESs",
        ),
        rank=60,
        cases=(Case(when="of-tensorflow-itself", code="import-failed", rank=46),),
        follows=("metal-plugin-mismatch",),
    ),
    Rule(
        name="operations-refused",
        code="companion-mismatch",
        reads="TensorFlow: it does not take a library of operations that a package gives it; the library is built for another release",
        needs=("tf_loadlibrary", "load_op_library", "tf_loadpluggabledevicelibrary"),
        pattern=r"\bTF_Load(?:Library|PluggableDeviceLibrary)\(.{1,300}?\b(?P<exception>\w+Error): ",
        examples=(
            "    lib_handle = py_tf.TF_LoadLibrary(library_filename)\n"
            "tensorflow.python.framework.errors_impl.InvalidArgumentError: Invalid name: Addons>Gelu (Did you use CamelCase?); in OpDef",
        ),
        rank=44,
        span=6,
        follows=("platform", "python-deps", "gpu", "machine"),
    ),
    Rule(
        name="framework-missing",
        code="file-damaged",
        reads="ld.so and dyld: TensorFlow's own library; a package beside it asks for that of another release",
        needs=("libtensorflow_framework", "libtensorflow_cc", "_pywrap_tensorflow"),
        pattern=r"(?P<library>(?:libtensorflow_(?:framework|cc)|_pywrap_tensorflow\w*)\.(?:so[.\d]*|\d+\.dylib)): cannot open shared object|Library not loaded: \S*(?P<library__dyld>(?:libtensorflow_(?:framework|cc)|_pywrap_tensorflow)[\w.]*)",
        examples=(
            "ImportError: libtensorflow_framework.so.2: cannot open shared object file: No such file or directory",
            "ImportError: dlopen(/x/_pywrap_tfe.so, 2): Library not loaded: @rpath/_pywrap_tensorflow_internal.so",
        ),
        rank=60,
        cases=(
            Case(when="in-companion", code="companion-mismatch"),
            Case(when="loads-operations", code="companion-mismatch"),
        ),
    ),
    Rule(
        name="own-operations-gone",
        code="file-damaged",
        reads="TensorFlow: a library of operations of its own is not there, as in a program that was frozen without it",
        needs=(".so not found", ".dll not found", ".pyd not found"),
        pattern=r"\b(?P<library>tensorflow[/\\](?:python|lite|core|compiler|contrib)[/\\][^:'\"]{1,200}\.(?:so|dll|pyd)) not found",
        examples=(
            "tensorflow.python.framework.errors_impl.NotFoundError: C:\\x\\tensorflow\\lite\\python\\ops\\_audio_op.so not found",
        ),
        rank=56,
    ),
    Rule(
        name="input-output-library",
        code="companion-mismatch",
        reads="tensorflow-io: its library does not load beside this TensorFlow, or is not there",
        needs=("unable to open file: libtensorflow_io.",),
        pattern=r"(?<!not loaded: )unable to open file: (?P<library>libtensorflow_io\.(?:so|dylib|dll))",
        examples=(
            "NotImplementedError: unable to open file: libtensorflow_io.so, from paths: ['/x/libtensorflow_io.so']",
        ),
        rank=58,
    ),
    Rule(
        name="library-of-wheel",
        code="import-failed",
        reads="ld.so: a library that only a wheel brings; that package is not there, is another release, or is damaged",
        needs=("cannot open shared object file",),
        pattern=rf"(?<!dlerror: )\b(?P<library>(?:{OF_WHEELS})\.so[.\d]*): cannot open shared object file",
        examples=(
            "ImportError: libarrow.so.14: cannot open shared object file: No such file or directory",
            "ImportError: libgfortran-040039e1.so.5.0.0: cannot open shared object file: No such file or directory",
        ),
        rank=50,
        follows=("musl-libc",),
    ),
    Rule(
        name="companion-procedure",
        code="companion-mismatch",
        reads="Windows 127 in the library of a package beside TensorFlow; any system: its library of operations is not there, or not for this machine",
        needs=(
            "cannot open shared object file",
            "the specified procedure",
            "procedure could not be found",
            "not found",
            "dll load failed",
        ),
        pattern=rf"{_OTHERS}[^:]*\.(?:dll|pyd|so)(?: not found|: The specified procedure)"
        r"|\b(?P<package__of>tensorflow_(?!core)\w+)[/\\][^:'\"]{1,200}\.(?:dll|pyd|so|dylib)(?: not found|: cannot open shared object file)",
        examples=(
            "tensorflow.python.framework.errors_impl.NotFoundError: C:\\x\\site-packages\\tensorflow_text\\python\\ops\\_boise.dll: The specified procedure could not be found.",
            "tensorflow.python.framework.errors_impl.NotFoundError: C:\\x\\site-packages\\tensorflow_text\\python\\metrics\\_ops.so not found",
            "tensorflow_io/python/ops/libtensorflow_io.so not found",
            "NotFoundError: /x/site-packages/tensorflow_decision_forests/tensorflow/ops/inference/inference.so: cannot open shared object file: No such file or directory",
        ),
        rank=65,
    ),
    Rule(
        name="companion-says-so",
        code="companion-mismatch",
        reads="packages that compare the version of TensorFlow themselves: Probability, Addons, Federated, Agents, TFX and others",
        needs=(
            "needs tf",
            "supports tf",
            "compatible with tf",
            "of tensorflow",
            "requires tensorflow",
            "requires tf",
            "compatible with tensorflow",
            "needs tensorflow",
            "supports tensorflow",
            "tensorflow version",
            "versions of tensorflow",
            "following tensorflow versions",
            "version of tensorflow and",
            "found tf.version = ",
        ),
        pattern=r"(?<!\) )\b(?:[Rr]equires|[Nn]eeds|only supports|not compatible with|incompatible with) (?:TensorFlow|Tensorflow|tensorflow|TF)(?: versions?)?(?: of)? ?(?:[<>=~!]{1,2} ?|v)?\d+\.\d+(?!.*(?:none of the providers|which is incompatible|but you have|Requires-Python|would require))(?!.{0,80}(?:unsatisfiable|version solving))"
        r"|TensorFlow versions? .{0,30}(?:is|are) not (?:supported|compatible)|version .{0,20} of TensorFlow .{0,20}is (?:not|in)compatible"
        r"|compatible with the following TensorFlow Versions: .{1,200}However, TensorFlow \S+ was detected|caused (?:by )?the version of TensorFlow and .{1,60} are not compatible"
        r"|depends on '?(?:tensorflow|tf-nightly)\b.{1,100}\. Found tf\.VERSION = ",
        examples=(
            "WARNING:root:TensorFlow Decision Forests 1.0.1 is compatible with the following TensorFlow Versions: ['2.10.0']. However, TensorFlow 2.10.1 was detected.",
            "ImportError: This version of TensorFlow Probability requires TensorFlow version >= 2.12; Detected an installation of version 2.10.1. Please upgrade TensorFlow to proceed.",
            "RuntimeError: TensorFlow Hub depends on 'tf-nightly' build after 20180308 or 'tensorflow~=1.7'. Found tf.VERSION = 1.6.0",
        ),
        rank=63,
        follows=("keras-mismatch",),
    ),
    Rule(
        name="addons-warning",
        code="companion-mismatch",
        reads="TensorFlow Addons: a warning that it was not tested with this TensorFlow; what fails after it is its consequence",
        needs=("tensorflow addons supports using python ops",),
        pattern=r"Tensorflow Addons supports using Python ops",
        examples=(
            "UserWarning: Tensorflow Addons supports using Python ops for all Tensorflow versions above or equal to 2.2.0 and strictly below 2.3.0",
        ),
        rank=30,
    ),
    Rule(
        name="companion-imports",
        code="companion-mismatch",
        reads="CPython: a package beside TensorFlow asks for a module or a name that this TensorFlow no longer has, or not yet",
        needs=(
            "initialized module tensorflow.",
            "module 'tensorflow'",
            "no module named 'tensorflow.",
            "from 'tensorflow",
            "module 'tensorflow.",
            "module 'tensorflow_core",
        ),
        pattern=r"No module named '(?P<module>tensorflow\.(?!keras|python\.keras|python')[\w.]+)'|cannot import name '(?P<name>\w+)' from '(?:partially initialized module )?(?P<module__from>tensorflow\.[\w.]+)'|module '(?P<module__attribute>tensorflow(?:_core)?(?:\.[\w.]+)?)' has no attribute '(?P<attribute>(?!__version__|keras|constant|config|Variable|io|compat|function|data|get_default_graph)\w+)'",
        examples=(
            '  File "/x/site-packages/tensorflow_addons/utils/types.py", line 24, in <module>\n    from tensorflow.python.x import y\n'
            "ImportError: cannot import name 'keras_tensor' from 'tensorflow.python.x' (/x/site-packages/tensorflow/python/x/__init__.py)",
        ),
        rank=61,
        cases=(
            Case(when="in-companion", code="companion-mismatch"),
            Case(when="asked-by-keras", code="keras-mismatch"),
            Case(when="asked-by-package", code="companion-mismatch"),
            Case(when="asked-by-tensorflow", code="import-failed", rank=46),
            Case(when="not in-companion", code=NOTHING),
        ),
        follows=("numpy-abi", "protobuf-mismatch", "shadowed-module"),
    ),
    Rule(
        name="ml-dtypes",
        code="ml-dtypes-mismatch",
        reads="ml_dtypes against the JAX or TensorFlow beside it: a type that it does not have, or no longer",
        needs=("ml_dtypes",),
        pattern=r"module 'ml_dtypes(?:\.\w+)*' has no attribute '(?P<attribute>\w+)'|cannot import name '(?P<name>\w+)' from 'ml_dtypes|No module named '?ml_dtypes|requires ml_dtypes|ml_dtypes version .{0,40}(?:required|needed|too old)",
        examples=(
            "AttributeError: module 'ml_dtypes' has no attribute 'float4_e2m1fn'",
            "ModuleNotFoundError: No module named 'ml_dtypes'",
        ),
        rank=65,
    ),
    Rule(
        name="ml-dtypes-numpy",
        code="numpy-abi",
        reads="ml_dtypes that was built for another NumPy",
        needs=("ml_dtypes",),
        pattern=r"ml_dtypes\S* (?:failed|undefined)|ml_dtypes/_\w+.{0,200}(?:multiarray|_ARRAY_API|numpy\.core)",
        examples=("ImportError: ml_dtypes/_custom_floats.so: numpy.core.multiarray failed to import",),
        rank=60,
    ),
    Rule(
        name="companion-attribute",
        code="companion-mismatch",
        reads="CPython: a package beside TensorFlow lacks a name, which it defines for other releases of TensorFlow only",
        needs=("module 'tensorflow_", "from 'tensorflow_", "module 'keras_"),
        pattern=r"module '(?P<module>(?:tensorflow_(?!core|estimator)|keras_(?:cv|nlp|hub|tuner))\w*(?:\.\w+)*)' has no attribute|cannot import name '\w+' from '(?P<module__from>tensorflow_(?!core|estimator)\w+[\w.]*)'",
        examples=("AttributeError: module 'tensorflow_hub' has no attribute 'KerasLayer'",),
        rank=58,
    ),
    Rule(
        name="companion-class-of-model",
        code="companion-mismatch",
        reads="Keras while it reads a model: a class of KerasHub, KerasNLP or KerasCV whose configuration another release wrote",
        needs=("could not be deserialized properly",),
        pattern=r"<class '(?P<package>keras_(?:hub|nlp|cv))\.[\w.]+'> could not be deserialized properly",
        examples=(
            "TypeError: <class 'keras_hub.src.models.resnet.ResNetBackbone'> could not be deserialized properly. Please ensure that components",
        ),
        rank=50,
        follows=("keras-mismatch", "protobuf-mismatch", "numpy-abi"),
    ),
    Rule(
        name="tensorboard-plugin",
        code="companion-mismatch",
        reads="CPython: TensorBoard, the estimator or tf-keras of another release than TensorFlow",
        needs=("tensorboard", "tensorflow_estimator"),
        pattern=r"cannot import name '\w+' from 'tensor(?:board|flow_estimator)[\w.]*'|No module named '(?:tensorboard|tensorflow_estimator)\.\S+'|module 'tensor(?:board|flow_estimator)[\w.]*' has no attribute",
        examples=(
            "ImportError: cannot import name 'notf' from 'tensorboard.compat' (/x/site-packages/tensorboard/compat/__init__.py)",
        ),
        rank=58,
        follows=("protobuf-mismatch", "numpy-abi", "setuptools-pkg-resources"),
    ),
)
