"""The entry of every probe: runs the legs of one or several groups and streams one JSON record a leg.

Started by the environment's own Python as `python -I -X faulthandler -u probe.py REQUEST.json`. Everything in this
folder imports the standard library and what is under test, nothing of tfprov, and runs on Python 3.6 and newer.

Records are lines of JSON in the file that the request names. They do not go to stdout, which TensorFlow and its
plug-ins write to. A leg is announced before it starts, so that whoever reads the file knows which leg took the
process down:

    {"group": "core"}
    {"begin": "matmul", "device": "GPU:0"}
    {"leg": "matmul", "device": "GPU:0", "ok": true, "seconds": 0.41, "evidence": "relative error 2.1e-07 ..."}
    {"facts": {"tensorflow": "2.21.0"}}
    {"end": true}

A process that dies is started again with what is `done`, and goes on behind the leg that took it down.
"""

import faulthandler
import gc
import importlib.util
import json
import os
import sys
import threading
import time
import traceback

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]  # the module or nothing

ENVIRONMENT = "environment"
# Interval in seconds at which a leg is looked at, and the share of it in which one that works uses a processor.
_WORK_S = 1.0
_WORKING = 0.05


class Failed(Exception):  # noqa: N818 - a finding of a leg, not an error of the probe
    """What a leg found to be wrong, with the failure code for it.

    Attributes:
        device: TensorFlow's name of the device that is to blame; None for the one that the leg is about.
    """

    def __init__(self, code, evidence, device=None):
        super().__init__(evidence)
        self.code = code
        self.evidence = evidence
        self.device = device


class Skipped(Exception):  # noqa: N818 - a leg that does not apply here
    """Why a leg does not apply to this environment."""


class Probe:
    """One probe process: its request, its channel, and TensorFlow once a leg asked for it."""

    def __init__(self, request):
        self.request = request
        self._channel = os.open(request["records"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._done = {(device, leg): ok for device, leg, ok in request["done"]}
        self._lost_devices = request["lost_devices"]
        self._tensorflow = None
        self._devices = None
        self._arming = threading.Lock()
        self._until = 0.0
        self._watching = False

    def write(self, record):
        """Append one record. One `write` a line: what was written survives any death of this process."""
        os.write(self._channel, (json.dumps(record) + "\n").encode("utf-8"))

    def facts(self, **facts):
        """Report what was learnt that is no leg."""
        self.write({"facts": facts})

    def arm(self):
        """Start the time limit of the next leg. A thread without Python's lock watches over it.

        It fires in the middle of a native call, too, says where every thread stands, and ends the process. If the
        request has a limit for legs that do nothing, that one counts until `_prolong` has seen this leg work.
        """
        limit, idle = self.request["timeout"], self.request["idle_timeout"]
        with self._arming:
            self._until = time.monotonic() + limit
            _end_in(limit if idle is None else min(limit, idle))
        if idle is not None and not self._watching:
            self._watching = True
            threading.Thread(target=self._prolong, daemon=True).start()

    def _prolong(self):
        """Restart the limit for legs that do nothing as long as this one works, up to the limit for all legs.

        An import without bytecode on a busy machine may take minutes; one that waits for a server does nothing.
        """
        sleep, worked = time.sleep, work()  # some modules replace `time.sleep` when they are imported
        while True:
            sleep(_WORK_S)
            before, worked = worked, work()
            if worked[0] - before[0] >= _WORKING * _WORK_S or worked[1] > before[1]:
                with self._arming:
                    left = self._until - time.monotonic()
                    if left > 0:
                        _end_in(min(left, self.request["idle_timeout"]))

    def leg(self, device, name, function, *arguments):
        """Run one leg, unless an earlier process for these groups did; whether it passed.

        Args:
            device: `environment`, or the name of a device.
            name: name of the leg.
            function: gives the evidence as text; raises `Failed`, `Skipped`, or whatever TensorFlow raises.
            arguments: passed to the function.
        """
        if (device, name) in self._done:
            return self._done[(device, name)]
        if device in self._lost_devices:
            what = "not run: an earlier check on this device ended its process: " + self._lost_devices[device]
            self._record(device, name, 0.0, ok=True, skipped=True, evidence=what)
            return False
        self.write({"begin": name, "device": device, "at": time.time()})
        self.arm()
        started = time.perf_counter()
        try:
            evidence = function(*arguments)
        except Skipped as why:
            self._record(device, name, time.perf_counter() - started, ok=True, skipped=True, evidence=str(why))
            return True
        except Failed as finding:
            blamed = next((ours for ours, theirs in self._devices or () if theirs == finding.device), device)
            self._record(
                blamed, name, time.perf_counter() - started, ok=False, code=finding.code, evidence=finding.evidence
            )
            return False
        except BaseException as error:  # SystemExit too: a plug-in that leaves must not end the other legs
            if isinstance(error, KeyboardInterrupt):
                raise
            self.fail(device, name, time.perf_counter() - started, error)
            return False
        self._record(device, name, time.perf_counter() - started, ok=True, evidence=evidence)
        return True

    def group(self, name):
        """Run the legs of one group; False if it found that no further one can run.

        What one group lacks for its start, another may not need.
        """
        start = name + "-start"
        if (ENVIRONMENT, start) in self._done:
            return None
        self.write({"group": name})
        try:
            return load(name).run(self)
        except Exception as error:
            self.fail(ENVIRONMENT, start, 0.0, error)
            return None

    def fail(self, device, name, seconds, error):
        """Report an exception that nothing expects."""
        self._record(device, name, seconds, ok=False, errors=chain_of(error), evidence=trace_of(error))

    def tensorflow(self):
        """TensorFlow, imported at the first call and set up so that no operation moves to another device silently.

        An import makes a million objects that all stay. To look for garbage among them again and again, then and later,
        takes a quarter of the time of the import.
        """
        if self._tensorflow is None:
            gc.disable()
            try:
                import tensorflow as tf
            finally:
                if hasattr(gc, "freeze"):  # not in Python 3.6
                    gc.freeze()
                gc.enable()
            if tuple(map(int, tf.__version__.split(".")[:2])) < (2, 5):
                tf = load("older").renewed(tf)
            tf.config.set_soft_device_placement(False)
            self._tensorflow = tf
        return self._tensorflow

    def devices(self):
        """The devices that this process tests, as pairs of our name and TensorFlow's.

        Our name counts the GPUs of the machine, TensorFlow's the visible ones: in a process that was started for one
        GPU alone, our `GPU:1` is TensorFlow's `GPU:0`. A GPU that is lost is not visible and has no name of
        TensorFlow's; its legs are skipped before they could use one.
        """
        tf = self.tensorflow()
        if self._devices is None:
            gpus = tf.config.list_physical_devices("GPU")
            if self.request["accelerator"] == "cpu" or self.request["gpu"] == "later":
                chosen = []
            elif self.request["gpus"] is not None:
                chosen = [index for index in self.request["gpus"] if index < len(gpus)]
            else:
                chosen = list(range(len(gpus)))
            shown = [index for index in chosen if f"GPU:{index}" not in self._lost_devices]
            if len(shown) != len(gpus):
                tf.config.set_visible_devices([gpus[index] for index in shown], "GPU")
            for index in shown:
                # Without growth TensorFlow takes nearly all memory of every GPU it can see.
                tf.config.experimental.set_memory_growth(gpus[index], True)
            logical = self.request["logical_cpus"]
            if logical > 1:
                (cpu,) = tf.config.list_physical_devices("CPU")
                tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * logical)
            cpus = [(f"CPU:{index}", f"CPU:{index}") for index in range(logical)]
            pairs = [(f"GPU:{index}", f"GPU:{shown.index(index)}" if index in shown else "GPU") for index in chosen]
            self._devices = (cpus if self.request["with_cpu"] else []) + pairs
        return self._devices

    def one_cpu(self):
        """The devices, as the same pairs, without logical CPUs beyond the first."""
        return [pair for pair in self.devices() if pair[0] == "CPU:0" or not pair[0].startswith("CPU")]

    def usable(self):
        """Those of the devices that are not lost, as the same pairs."""
        return [pair for pair in self.devices() if pair[0] not in self._lost_devices]

    def _record(self, device, name, seconds, **fields):
        record = {"leg": name, "device": device, "seconds": seconds}
        record.update(fields)
        self.write(record)


def _end_in(seconds):
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.stderr)


def work():
    """What this process and its children have done so far.

    Returns:
        Seconds in which they used a processor, or waited for one that was busy, and the number of times that they
        waited for the disk; only what the system can tell.
    """
    seconds = sum(os.times()[:4])
    if resource is None:
        return seconds, 0  # Windows; Wine shows the `/proc` of another process there
    try:
        with open("/proc/self/schedstat") as stream:
            seconds += int(stream.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        pass
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return seconds, usage.ru_majflt + usage.ru_inblock


def chain_of(error):
    """The exception and what it was raised from or during, the outermost first."""
    found = []
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        found.append({"type": type(error).__name__, "message": str(error)[:4000], "name": getattr(error, "name", None)})
        error = error.__cause__ or error.__context__
    return found


def trace_of(error):
    """The end of the traceback, by whole lines; its beginning is this file."""
    lines = "".join(traceback.format_exception(type(error), error, error.__traceback__)).splitlines()
    return "\n".join(lines[-18:])


def load(name):
    """A sibling of this file as a module. Isolated mode keeps this folder off `sys.path`, and so it should."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
    spec = importlib.util.spec_from_file_location("tfprov_probe_" + name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    # This folder belongs to tfprov; the bytecode of another Python has no business in it.
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = written
    return module


def main():
    """Run the groups that the request names."""
    with open(sys.argv[1], encoding="utf-8") as stream:
        request = json.load(stream)
    # The siblings raise the exceptions of this file: they find it under this name.
    sys.modules["tfprov_probe"] = sys.modules["__main__"]
    probe = Probe(request)
    probe.arm()
    for name in request["groups"]:
        if probe.group(name) is False:
            break
    probe.write({"end": True})
    sys.stdout.flush()
    sys.stderr.flush()
    if not request["exit_normally"]:
        # Tearing TensorFlow down takes a third of a second and proves nothing about the devices.
        os._exit(0)
    if hasattr(gc, "unfreeze"):
        # Where the end of the process is tested, it has to tear down everything.
        gc.unfreeze()


if __name__ == "__main__":
    main()
